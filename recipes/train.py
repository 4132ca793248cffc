"""Train a shipped network from its recipe, or continue where it stopped.

python recipes/train.py recipes/fast-gray.toml --out runs/fast-gray
"""

import argparse
import logging
from pathlib import Path

import torch

from limpid.models.checkpoint import load_network
from limpid.models.registry import build_network
from limpid.models.store import find_models
from limpid.training.batch import Synthetic
from limpid.training.config import TrainConfig
from limpid.training.data import open_pool
from limpid.training.loop import CHECKPOINT, Trainer, averaged_weights
from limpid.training.validation import Validation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a checkpoint there is continued")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")

    config = TrainConfig.from_toml(args.recipe)
    torch.manual_seed(config.seed)
    network = build_network(config.architecture.name, config.architecture.parameters)
    if config.start_from is not None:
        own = network.state_dict()
        found = weights_of(config.start_from)
        fitting = {name: found[name] for name in own if name in found and found[name].shape == own[name].shape}
        logging.info("starting from %d of %d tensors of %s", len(fitting), len(own), config.start_from)
        network.load_state_dict({**own, **fitting})
    training, held_out = open_pool(config.data)
    logging.info("%d pictures, %d held out", len(training.pictures), len(held_out.pictures))
    source = Synthetic(training, config.noise)
    trainer = Trainer(config, network=network, source=source, folder=args.out, validate=Validation(held_out))
    trainer.run()


def weights_of(start: str) -> dict[str, torch.Tensor]:
    """Return the weights of a model, by name or folder, or the averaged ones of a run, by its folder."""
    if (Path(start) / CHECKPOINT).exists():
        return averaged_weights(Path(start))
    (model,) = find_models(start).values()
    return load_network(model).state_dict()


if __name__ == "__main__":
    main()
