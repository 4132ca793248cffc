"""The autopilot: a collection is measured, advised on, trained for, denoised and assessed, and every decision is told."""
