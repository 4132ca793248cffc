"""Values every other package speaks in: images, denoisers, errors. No I/O, no torch."""
