"""The autopilot: a collection is measured, trained for, denoised and assessed, and every decision is told."""

from limpid.workflows.auto.autopilot import Autopilot, Course, auto

__all__ = ["Autopilot", "Course", "auto"]
