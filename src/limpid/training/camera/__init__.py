"""Photographs as cameras make them: clean pictures taken back to what a sensor sees, and through a camera again."""
