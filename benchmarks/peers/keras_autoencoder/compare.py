"""Load what train.py saved in limpid, without TensorFlow, and compare and assess it there.

python benchmarks/peers/keras_autoencoder/compare.py OUT      (needs limpid[keras,plot])
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from digits import digits
from network import SIDE_PX, SIGMA, TEST_SEED, TESTED_ON, TRAINED_ON
from record import record

import limpid

#: Digits side by side in the picture that is assessed.
ACROSS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of autoencoder.keras and expected.npz")
    args = parser.parse_args()

    model = limpid.load_model(args.out / "autoencoder.keras")
    difference = difference_to_tensorflow(model, args.out / "expected.npz")
    assert "tensorflow" not in sys.modules
    test = np.rint(255 * digits(TESTED_ON, TEST_SEED, SIDE_PX)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(test):
            limpid.write_image(limpid.Image.from_array(picture), Path(folder) / f"{number:04}.png")
        table = limpid.benchmark(folder, sigma=SIGMA, denoisers=["noisy", model, "fast", "nlm"])
    rows = [
        {"denoiser": row.denoiser, "sigma": SIGMA, "images": row.images, "psnr": row.psnr, "ssim": row.ssim}
        for row in table.rows
    ]
    found = {row["denoiser"]: {**row, **assessed(test, row["denoiser"], model)} for row in rows}
    found[model.name] |= {"trained_on": TRAINED_ON, "difference_to_tensorflow": f"{difference:.1e}"}
    record("keras_autoencoder", [{k: _rounded(v) for k, v in row.items()} for row in found.values()])


def difference_to_tensorflow(model: limpid.Denoiser, path: Path) -> float:
    """Return the largest difference between what TensorFlow gave and what limpid gives, as a share of the range."""
    with np.load(path) as stored:
        pairs = list(zip(stored["image"], stored["answer"], strict=True))
    ours = [limpid.denoise(image, model=model, sigma=SIGMA / 255, value_range=(0, 1)) for image, _ in pairs]
    return max(float(np.abs(one - theirs).max()) for one, (_, theirs) in zip(ours, pairs, strict=True))


def assessed(test: np.ndarray, name: str, model: limpid.Denoiser) -> dict[str, object]:
    """Return what limpid says of a picture of many digits without the clean one, beside the truth."""
    if name == "noisy":
        return {}
    rows = test[: ACROSS * (len(test) // ACROSS)].reshape(-1, ACROSS, SIDE_PX, SIDE_PX)
    clean = rows.transpose(0, 2, 1, 3).reshape(-1, ACROSS * SIDE_PX).astype(np.float32)
    noisy = (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)
    chosen = model if name == model.name else name
    denoised = limpid.denoise(noisy, model=chosen, sigma=SIGMA, value_range=(0, 255))
    found = limpid.assess(noisy, model=chosen, sigma=SIGMA, value_range=(0, 255))
    return {
        "mosaic_psnr": 20 * np.log10(255) - 10 * np.log10(np.mean((denoised - clean) ** 2)),
        "estimated": found.psnr,
        "low": found.psnr_interval and found.psnr_interval[0],
        "high": found.psnr_interval and found.psnr_interval[1],
        "verdict": found.verdict,
    }


def _rounded(value: object) -> object:
    return round(float(value), 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
