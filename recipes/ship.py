"""Make a model folder, with its card, from the checkpoint of a run: python recipes/ship.py runs/fast-gray

Calibrates halo, bf16 and int8 on held-out pictures of the pool, then measures the figures of the card on the test sets.
"""

import argparse
import dataclasses
from pathlib import Path

from calibrate import CROPS, check_processor, large_pictures, seen_pieces

from limpid.inference.denoiser import NetworkDenoiser
from limpid.inference.runtimes import load_runtime
from limpid.models.checkpoint import write_card
from limpid.models.store import StoredModel, find_models
from limpid.training.artefact import write_model
from limpid.training.config import TrainConfig
from limpid.training.data import open_pool
from limpid.training.start import initial_network
from limpid.workflows.benchmark import benchmark

WEIGHTS = Path(__file__).parent.parent / "src" / "limpid" / "models" / "weights"
TEST_SETS = {1: ("set12", "bsd68"), 3: ("cbsd68", "kodak24")}
CAMERA_SET = "cc15"
NOISE = (
    "white Gaussian, sigma 0 to {sigma_max:g} of 255 in the range, and Poisson-Gaussian up to the same level with a "
    "level per pixel; the level is told, within a few per cent"
)
CAMERA_NOISE = (
    "as cameras make it: Poisson-Gaussian behind a mosaic of colour filters, demosaicked, with tone curve, sharpening, "
    "JPEG of quality 70 and more, and resized, in parts; white and correlated noise, sigma 0 to {sigma_max:g} of 255, "
    "in a fifth of the patches; the level is told as far from the truth as it is measured of such photographs"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--recipe", type=Path, required=True, help="recipe of the run")
    parser.add_argument("--out", type=Path, help="model folder to write; the package's own by default")
    args = parser.parse_args()

    config = TrainConfig.from_toml(args.recipe)
    check_processor()
    training, held_out = open_pool(config.data)
    model = write_model(
        initial_network(dataclasses.replace(config, start_from=str(args.run))),
        args.out or WEIGHTS / config.name,
        config,
        sigma_max=config.noise.sigma_max / 255,
        pictures=large_pictures(held_out),
        noise=(NOISE if config.camera is None else CAMERA_NOISE).format(sigma_max=config.noise.sigma_max),
        data=f"{config.data.pool}: openly licensed photographs, named in recipes/DATA.md",
        recipe=f"recipes/{args.recipe.name}, seed {config.seed}, {config.steps} steps, from {start(config)}",
        licence="Apache-2.0",
        metrics={},
        crops=CROPS,
        seen=seen_pieces(training),
    )
    model = dataclasses.replace(model, card=dataclasses.replace(model.card, metrics=measured(model, config)))
    write_card(model)
    print(model.card.to_json())


def start(config: TrainConfig) -> str:
    if config.start_from is None:
        return "random weights"
    if "/" in config.start_from:
        return f"the run {config.start_from}"
    (parent,) = find_models(config.start_from).values()
    return f"{config.start_from} (SHA-256 {parent.card.sha256[:12]}...)"


def measured(model: StoredModel, config: TrainConfig) -> dict[str, object]:
    denoiser = NetworkDenoiser(model.card.name, {model.card.channels: model}, runtime=load_runtime())
    protocol = "PSNR in dB, see docs/reference/datasets.md"
    if config.camera is not None:
        (row,) = benchmark(CAMERA_SET, denoisers=[denoiser]).rows
        return {"protocol": f"{protocol}; sigma measured", CAMERA_SET: round(row.psnr, 2)}
    figures: dict[str, object] = {"protocol": f"{protocol}; seed 0, sigma told"}
    for row in benchmark(TEST_SETS[model.card.channels], sigma=(15, 25, 50), denoisers=[denoiser]).rows:
        figures[f"{row.data} sigma {row.sigma:g}"] = round(row.psnr, 2)
    return figures


if __name__ == "__main__":
    main()
