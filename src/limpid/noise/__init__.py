"""Noise: models of it, its level at each pixel, and how much of it an image holds."""
