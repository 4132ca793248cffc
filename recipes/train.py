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
from limpid.training.config import TrainConfig
from limpid.training.data import open_pool
from limpid.training.loop import Trainer
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
        (start,) = find_models(config.start_from).values()
        found = load_network(start).state_dict()
        fitting = {name: found[name] for name in own if name in found and found[name].shape == own[name].shape}
        logging.info("starting from %d of %d tensors of %s", len(fitting), len(own), config.start_from)
        network.load_state_dict({**own, **fitting})
    training, held_out = open_pool(config.data)
    logging.info("%d pictures, %d held out", len(training.pictures), len(held_out.pictures))
    trainer = Trainer(config, network=network, pool=training, folder=args.out, validate=Validation(held_out))
    trainer.run()


if __name__ == "__main__":
    main()
