"""PSNR of the shipped networks and the classical methods on the published test sets, sigma told and withheld.

LIMPID_DATA=... python benchmarks/quality.py [--classical]
"""

import argparse
from dataclasses import asdict

from record import record

import limpid

SETS = ("set12", "bsd68", "cbsd68", "kodak24")
SIGMAS = (15, 25, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classical", action="store_true", help="the classical methods instead, at sigma 25")
    if parser.parse_args().classical:
        names = ["noisy", "nlm", "wavelet", "tv", "bilateral", "median"]
        record("quality-classical", [_row(r) for r in limpid.benchmark(SETS, sigma=25, denoisers=names).rows])
        return
    rows = []
    for blind in (False, True):
        rows += limpid.benchmark(SETS, sigma=SIGMAS, denoisers=["fast"], blind=blind).rows
    rows += limpid.benchmark("cc15", denoisers=["noisy", "fast"]).rows
    record("quality", [_row(r) for r in rows])


def _row(row: object) -> dict[str, object]:
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(row).items()}  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
