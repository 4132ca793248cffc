"""Denoisers that need no training: functions of scikit-image and SciPy behind :class:`limpid.core.Denoiser`."""
