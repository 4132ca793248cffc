"""Train a shipped network from its recipe, or continue where it stopped.

python recipes/train.py recipes/fast-gray.toml --out runs/fast-gray
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from torch import nn

from limpid.training.batch import Source, Synthetic
from limpid.training.camera.source import Photographed
from limpid.training.camera.validation import PhotographValidation
from limpid.training.config import TrainConfig
from limpid.training.data import open_pool
from limpid.training.distillation import Taught
from limpid.training.loop import Trainer
from limpid.training.start import initial_network
from limpid.training.validation import Validation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a checkpoint there is continued")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")

    config = TrainConfig.from_toml(args.recipe)
    network = initial_network(config, partly=True)
    training, held_out = open_pool(config.data)
    logging.info("%d pictures, %d held out", len(training.pictures), len(held_out.pictures))
    source: Source
    validate: Callable[[nn.Module], dict[str, float]]
    if config.camera is None:
        source, validate = Synthetic(training, config.noise), Validation(held_out)
    else:
        source = Photographed(training, config.camera, config.noise)
        validate = PhotographValidation(held_out, config.camera, config.noise)
    if config.teacher is not None:
        source = Taught(source, config.teacher, channels=config.data.channels)
    trainer = Trainer(config, network=network, source=source, folder=args.out, validate=validate)
    trainer.run()


if __name__ == "__main__":
    main()
