"""The autopilot: a collection is measured, trained for, denoised and assessed, and every decision is told."""

from limpid.workflows.auto.autopilot import FOLDER, Autopilot, Course, auto

__all__ = ["FOLDER", "Autopilot", "Course", "auto"]
