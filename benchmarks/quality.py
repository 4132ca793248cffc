"""PSNR of the shipped networks and the classical methods on the published test sets, sigma told and withheld.

LIMPID_DATA=... python benchmarks/quality.py [--classical]
"""

import argparse
from dataclasses import asdict

from record import record

import limpid

SETS = ("set12", "bsd68", "cbsd68", "kodak24")
SIGMAS = (15, 25, 50)
CLASSICAL = ("nlm", "wavelet", "tv", "bilateral", "median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classical", action="store_true", help="the classical methods instead, at sigma 25")
    if parser.parse_args().classical:
        rows = limpid.benchmark(SETS, sigma=25, denoisers=["noisy", *CLASSICAL]).rows
        rows += limpid.benchmark("cc15", denoisers=["noisy", *CLASSICAL]).rows
        record("quality-classical", [_row(r) for r in rows])
        return
    rows = []
    for blind in (False, True):
        rows += limpid.benchmark(SETS, sigma=SIGMAS, denoisers=["fast", "best"], blind=blind).rows
    rows += limpid.benchmark("cc15", denoisers=["noisy", "fast", "best", "camera"]).rows
    record("quality", [_row(r) for r in rows])


def _row(row: object) -> dict[str, object]:
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(row).items()}  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
