"""``python -m limpid``: the program, also as ``torchrun -m limpid train`` starts it."""

from limpid.cli.start import run

if __name__ == "__main__":
    run()
