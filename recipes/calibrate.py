"""Measure halo, bf16 and int8 of shipped models again, into their cards: python recipes/calibrate.py fast-gray ...

Ranges of int8 come from the pictures of the pool that networks are trained on, figures from those held out.
"""

import argparse

import numpy as np

from limpid.core.image import FloatArray
from limpid.inference.calibrate import calibrated
from limpid.inference.runtimes import load_runtime
from limpid.models.cards import ModelCard
from limpid.models.checkpoint import write_card
from limpid.models.store import find_models
from limpid.training.artefact import HALO_LIMIT_PX
from limpid.training.config import Data, TrainConfig
from limpid.training.data import Pool, open_pool, reduce

#: Pieces of held-out pictures that int8 has to be good enough on.
CROPS = 100

#: Pieces of training pictures that ranges are taken from, and their side.
_SEEN = 200
_SIDE_PX = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="such as fast-gray")
    args = parser.parse_args()
    check_processor()
    for name in args.names:
        (model,) = find_models(name).values()
        training, held_out = open_pool(data_of(model.card))
        found = calibrated(
            model, large_pictures(held_out), limit=HALO_LIMIT_PX, crops=CROPS, seen=seen_pieces(training)
        )
        write_card(found)
        card, int8 = found.card, found.card.int8
        print(f"{name}: halo {card.halo_px} pixels, bf16 harmless from {255 * card.bf16_sigma_min:.3g} of 255")
        if int8 is not None:
            worst, least = 255 * int8.worst, 255 * int8.sigma_min
            print(
                f"{name}: int8 allowed {int8.allowed}, {len(int8.ranges)} convolutions, worst pixel {worst:.2f} of "
                f"255, PSNR loss {dict(int8.psnr_loss)} dB, harmless from {least:.3g} of 255"
            )


def check_processor() -> None:
    """Stop where bf16 can't be measured: the card would call it harmful."""
    runtime = load_runtime()
    if "bf16" not in runtime.precisions:
        raise SystemExit(f"{runtime.device} has no bf16: calibrate on a processor that has")


def data_of(card: ModelCard) -> Data:
    """Return what a network was trained on."""
    if card.training is None:
        return Data(pool="train-open", channels=card.channels)
    return TrainConfig.from_dict(card.training, where=card.name).data


def large_pictures(held_out: Pool) -> list[FloatArray]:
    """Return those that are large enough to measure a halo on, as networks take them."""
    return [reduce(p, 1).transpose(2, 0, 1) for p in held_out.pictures if min(p.shape[:2]) >= 3 * HALO_LIMIT_PX]


def seen_pieces(training: Pool) -> list[FloatArray]:
    """Return what ranges are taken from."""
    return list(training.draw(_SEEN, patch_px=_SIDE_PX, rng=np.random.default_rng(0)))


if __name__ == "__main__":
    main()
