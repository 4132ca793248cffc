"""Train the classic Keras autoencoder for 28 x 28 digits in TensorFlow itself, and save it and what it gives.

python benchmarks/peers/keras_autoencoder/train.py OUT      (with requirements.txt beside it installed; minutes)
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np
import tensorflow as tf
from digits import digits
from network import SIDE_PX, SIGMA, TEST_SEED, TRAINED_ON, TRAINING_SEED

EPOCHS, BATCH = 100, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for autoencoder.keras and expected.npz")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()

    keras.utils.set_random_seed(TRAINING_SEED)
    clean = digits(TRAINED_ON, TRAINING_SEED, SIDE_PX)[..., None]
    noise = np.random.default_rng(TRAINING_SEED).standard_normal(clean.shape, dtype=np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 1)),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64),
            layers.Dense(SIDE_PX**2, activation="sigmoid"),
            layers.Reshape((SIDE_PX, SIDE_PX, 1)),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    started = time.monotonic()
    history = model.fit(clean + SIGMA / 255 * noise, clean, epochs=args.epochs, batch_size=BATCH, verbose=2)

    args.out.mkdir(parents=True, exist_ok=True)
    model.save(args.out / "autoencoder.keras")
    shown = digits(16, TEST_SEED, SIDE_PX)
    np.savez(args.out / "expected.npz", image=shown, answer=model.predict(shown[..., None], verbose=0)[..., 0])
    seconds = time.monotonic() - started
    print(f"tensorflow {tf.__version__}, keras {keras.__version__}: {model.count_params()} weights, {seconds:.0f} s")
    print(f"loss of the last epoch {history.history['loss'][-1]:.5f}")


if __name__ == "__main__":
    main()
