"""How far the measured level of photographs is from the true one: what `Camera` tells networks instead of the truth.

python recipes/camera_levels.py recipes/camera-color.toml
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.training.camera.photograph import draw_shot
from limpid.training.config import TrainConfig
from limpid.training.data import open_pool

SHOTS = 8
SIDE_PX = 480
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

#: Noise below this is rounding and JPEG rather than a sensor's: standard deviation on the scale 0 to 255.
LEAST = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="with a table [camera]")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    config = TrainConfig.from_toml(args.recipe)
    if config.camera is None:
        raise SystemExit(f"{args.recipe} has no [camera]")
    _, held_out = open_pool(config.data)
    rng = np.random.default_rng(args.seed)
    errors: dict[str, list[tuple[float, float, bool, bool]]] = {"no JPEG": [], "JPEG": []}
    for picture in held_out.pictures:
        for _ in range(SHOTS):
            shot = draw_shot(config.camera, rng)
            side = next(px for px in range(SIDE_PX, 0, -16) if shot.scene_px(px) <= min(picture.shape[:2]))
            crop = shot.scene_px(side)
            y, x = (int(rng.integers(length - crop + 1)) for length in picture.shape[:2])
            scene = torch.from_numpy(picture[y : y + crop, x : x + crop].transpose(2, 0, 1).astype(np.float32) / 255)
            noisy, clean = shot.take(scene, rng, side_px=side)
            true = (noisy - clean).square().mean((1, 2)).sqrt().numpy() * 255
            found = estimate_noise(Image.from_array((noisy.permute(1, 2, 0) * 255).round().byte().numpy()))
            if true.min() < LEAST or min(found.sigma_per_channel) <= 0:
                continue
            each = np.log(np.array(found.sigma_per_channel) / true)
            kind = "no JPEG" if shot.finish.quality is None else "JPEG"
            apart = float(np.abs(each - each.mean()).mean())
            errors[kind].append((float(each.mean()), apart, found.signal_dependent, found.white is False))
    print("logarithm of measured by true sigma, at quantiles", QUANTILES)
    for kind, rows in errors.items():
        shared, apart, dependent, correlated = np.array(rows).T
        shown = "  ".join(f"{value:+.2f}" for value in np.quantile(shared, QUANTILES))
        print(
            f"{kind:8} {len(rows):4d} photographs  {shown}  channels apart {np.median(apart):.2f} (median)  "
            f"seen to depend on the signal {dependent.mean():.0%}, to be correlated {correlated.mean():.0%}"
        )


if __name__ == "__main__":
    main()
