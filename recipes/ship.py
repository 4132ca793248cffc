"""Make a model folder, with its card, from the checkpoint of a run: python recipes/ship.py runs/fast-gray

Calibrates halo, bf16 and int8 on held-out pictures of the pool, then measures the figures of the card on the test sets.
"""

import argparse
import dataclasses
from pathlib import Path

from calibrate import CROPS, check_processor, large_pictures, seen_pieces
from torch import nn

from limpid.inference.denoiser import NetworkDenoiser
from limpid.inference.runtimes import load_runtime
from limpid.models.checkpoint import write_card
from limpid.models.registry import build_network
from limpid.models.store import StoredModel, find_models
from limpid.training.artefact import write_model
from limpid.training.config import Architecture, TrainConfig
from limpid.training.data import open_pool
from limpid.training.start import initial_network, start_of
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
    parser.add_argument("--with", dest="other", help="a model or run whose answer is averaged with that of the network")
    parser.add_argument("--out", type=Path, help="model folder to write; the package's own by default")
    args = parser.parse_args()

    config = TrainConfig.from_toml(args.recipe)
    check_processor()
    training, held_out = open_pool(config.data)
    recipe = f"recipes/{args.recipe.name}, seed {config.seed}, {config.steps} steps, from {start(config.start_from)}"
    network = initial_network(dataclasses.replace(config, start_from=str(args.run)))
    if args.other is not None:
        config, network = averaged(config, network, args.other)
        recipe += f"; averaged with {start(args.other)}"
    model = write_model(
        network,
        args.out or WEIGHTS / config.name,
        config,
        sigma_max=config.noise.sigma_max / 255,
        pictures=large_pictures(held_out),
        noise=(NOISE if config.camera is None else CAMERA_NOISE).format(sigma_max=config.noise.sigma_max),
        data=f"{config.data.pool}: openly licensed photographs, named in recipes/DATA.md",
        recipe=recipe,
        licence="Apache-2.0",
        metrics={},
        crops=CROPS,
        seen=seen_pieces(training),
    )
    model = dataclasses.replace(model, card=dataclasses.replace(model.card, metrics=measured(model, config)))
    write_card(model)
    print(model.card.to_json())


def start(name: str | None) -> str:
    if name is None:
        return "random weights"
    if "/" in name:
        return f"the run {name}"
    (parent,) = find_models(name).values()
    return f"{name} (SHA-256 {parent.card.sha256[:12]}...)"


def averaged(config: TrainConfig, network: nn.Module, other: str) -> tuple[TrainConfig, nn.Module]:
    """Return the mean of a network and another, and the configuration with the architecture of both."""
    start = start_of(other, config.data.channels)
    members = [dict(one) for one in (config.architecture.parameters, start.parameters)]
    channels = {one.pop("channels") for one in members}
    if {config.architecture.name, start.architecture} != {"unet"} or channels != {config.data.channels}:
        raise SystemExit(f"{other} is no unet of {config.data.channels} channels, as the run is")
    both = Architecture(name="ensemble", parameters={"channels": config.data.channels, "members": members})
    mean = build_network(both.name, both.parameters)
    weights = enumerate((network.state_dict(), start.load()))
    mean.load_state_dict({f"members.{index}.{name}": w for index, one in weights for name, w in one.items()})
    return dataclasses.replace(config, architecture=both), mean


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
