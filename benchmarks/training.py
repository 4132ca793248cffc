"""What training reaches from noisy images alone, and what it costs.

LIMPID_DATA=... python benchmarks/training.py ROW... --work DIR [--minutes N]

Each row keeps its runs under DIR and goes on from there; its figures replace its own rows of results/training.csv.
"""

import argparse
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from digits import digits
from record import RESULTS, record

import limpid
from limpid import Image, read_image, write_image
from limpid.evaluation.metrics import psnr
from limpid.training.log import read_log

SIGMA = 25

CLASSICAL = ("nlm", "wavelet", "tv", "bilateral", "median")

#: Levels that a classical method is tried with where the clean image chooses.
SIGMAS_TRIED = (5, 7, 10, 14, 20, 28, 40, 56, 80)

#: Gain and read noise, as shares of the value range.
POISSON = ((0.01, 0.005), (0.02, 0.03), (0.05, 0.01))

#: Images that noise is measured in, of the training pictures.
NOISE_SOURCES = 24

#: Where the data sets lie.
DATA = Path(os.environ["LIMPID_DATA"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--minutes", type=float, help="of training, where the row's own are not wanted")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")
    for name in args.rows:
        figures = ROWS[name](args.work / name, args.minutes)
        record("training", [{"row": name, **row} for row in figures], part="row")


def from_scratch(strategy: str) -> Callable[[Path, float | None], list[dict[str, object]]]:
    """BSD68 at sigma 25 after training on the noisy images of train400 alone, one noisy image of each."""

    def measure(work: Path, minutes: float | None) -> list[dict[str, object]]:
        noisy = work.parent / f"train400-{SIGMA}"
        if not noisy.exists():
            write_noisy(DATA / "train" / "train400", noisy)
        model = trained(noisy, work, strategy=strategy, minutes=minutes or 90, value_range=(0, 255))
        table = limpid.benchmark("bsd68", sigma=SIGMA, denoisers=[str(work)])
        return [{**model, "data": row.data, "sigma": SIGMA, "psnr": round(row.psnr, 3)} for row in table.rows]

    return measure


def fluorescence(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """W2S: single frames of fields 004-006 after training on single frames of 001-003, against the classical methods.

    Each classical method gets, for each image and each measure, the sigma that is best for it, found with the clean
    image in hand. Network and strategy were chosen by the averages of 001-003, which no training sees.

    Files of this data set were scaled to 8 bits one by one, so that a frame and its average differ by a gain and an
    offset: PSNR is told as it is, and after the gain and offset that fit best (`fitted`). As it is, none can do better
    than the average itself with the gain and offset of the frame (`psnr_limit`).
    """
    model = trained(
        w2s_frames("001", "002", "003"),
        work,
        strategy="neighbor2neighbor",
        architecture="small",
        minutes=minutes or 20,
        batch=8,
    )
    denoiser = limpid.load_model(work)
    rows = []
    for channel in range(3):
        scores: dict[str, list[tuple[float, float]]] = {name: [] for name in ("noisy", "limit", "limpid", *CLASSICAL)}
        for path in w2s_frames("004", "005", "006", channel=channel):
            noisy, clean = read_image(path), w2s_clean(path)
            scores["noisy"].append(both_psnr(noisy.values, clean))
            scores["limit"].append((limit_psnr(noisy.values, clean), float("nan")))
            scores["limpid"].append(both_psnr(limpid.denoise(noisy, model=denoiser).values, clean))
            for name in CLASSICAL:
                tried = (both_psnr(limpid.denoise(noisy, model=name, sigma=s).values, clean) for s in SIGMAS_TRIED)
                plain, fitted = zip(*tried, strict=True)
                scores[name].append((max(plain), max(fitted)))
        means = {name: np.mean(values, axis=0) for name, values in scores.items()}
        for number, measure in enumerate(("as it is", "fitted")):
            best = max(CLASSICAL, key=lambda name, number=number: means[name][number])
            rows.append(
                {
                    **model,
                    "data": f"w2s 004-006, channel {channel}, {measure}",
                    "psnr": round(float(means["limpid"][number]), 3),
                    "psnr_noisy": round(float(means["noisy"][number]), 3),
                    **({} if number else {"psnr_limit": round(float(means["limit"][0]), 3)}),
                    "best_classical": best,
                    "psnr_classical": round(float(means[best][number]), 3),
                }
            )
    return rows


def both_psnr(image: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """Return the PSNR of an image as it is, and after the gain and offset that bring it closest to the clean one."""
    values, wanted = image.astype(np.float64).ravel(), clean.astype(np.float64).ravel()
    gain, offset = np.polyfit(values, wanted, 1)
    return psnr(image, clean, data_range=255), psnr(gain * values + offset, wanted, data_range=255)


def limit_psnr(noisy: np.ndarray, clean: np.ndarray) -> float:
    """Return the PSNR of the clean image with the gain and offset that bring it closest to the noisy one."""
    gain, offset = np.polyfit(clean.astype(np.float64).ravel(), noisy.astype(np.float64).ravel(), 1)
    return psnr(gain * clean.astype(np.float64) + offset, clean, data_range=255)


def one_image(work: Path, _: float | None) -> list[dict[str, object]]:
    """Central 256 x 256 crops of Kodak24 at sigma 25: what learns from the one image, against the classical methods."""
    crops = work / "kodak24-crops"
    crops.mkdir(parents=True, exist_ok=True)
    for path in sorted((DATA / "test" / "kodak24").glob("*.png")):
        image = read_image(path)
        y, x = ((length - 256) // 2 for length in image.values.shape[:2])
        crop = Image.from_array(image.values[y : y + 256, x : x + 256])
        if not (crops / path.name).exists():
            write_image(crop, crops / path.name)
    table = limpid.benchmark(crops, sigma=SIGMA, denoisers=["zero-shot", *CLASSICAL])
    return [
        {
            "strategy": row.denoiser,
            "data": "kodak24, 256 x 256 from the middle",
            "sigma": SIGMA,
            "psnr": round(row.psnr, 3),
            "seconds_per_image": round(256**2 / 1e6 / row.megapixels_per_s, 1),
        }
        for row in table.rows
    ]


def adapted(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """W2S: the shipped weights, and the same adapted to single frames of fields 001-003, on fields 004-006."""
    model = trained(w2s_frames("001", "002", "003"), work, strategy="adapt", minutes=minutes or 10)
    metrics = json.loads((work / "card.json").read_text())["metrics"]
    rows = []
    for channel in range(3):
        scores: dict[str, list[float]] = {"fast": [], str(work): []}
        for noisy in w2s_frames("004", "005", "006", channel=channel):
            clean = w2s_clean(noisy)
            for name in scores:
                scores[name].append(psnr(np.asarray(limpid.denoise(noisy, model=name)), clean, data_range=255))
        before, after = (round(float(np.mean(values)), 3) for values in scores.values())
        rows.append(
            {
                **model,
                "data": f"w2s 004-006, channel {channel}",
                "psnr": after,
                "psnr_before": before,
                "noise_left": round(metrics["noise_left"], 4),
                "noise_left_before": round(metrics["noise_left_before"], 4),
            }
        )
    return rows


def noise_models(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """Kodak24 with Poisson-Gaussian noise: the model as measured against Gaussian noise of the same mean variance.

    Two networks learn from the same clean pictures, with the noise measured in images of other scenes: one in images
    with Poisson-Gaussian noise, the other in the same with Gaussian noise. In use, the first measures its level in each
    image, the second is told the root of the mean variance; a third figure has the second measure as the first does.
    Both take the same number of steps: `minutes` says how many, at ten a second.
    """
    noisy = {kind: work / kind / "noisy" for kind in ("measured", "gaussian")}
    for number, unit in enumerate(colour_pictures(DATA / "train" / "open", NOISE_SOURCES)):
        for kind, folder in noisy.items():
            folder.mkdir(parents=True, exist_ok=True)
            made = with_noise(unit, *POISSON[number % len(POISSON)], seed=number, flat=kind == "gaussian")
            tifffile.imwrite(folder / f"noise-{number:02}.tif", 255 * made, photometric="rgb")
    rows = []
    steps = round(600 * (minutes or 12))
    models = {
        kind: trained(folder, work / kind / "model", clean=DATA / "train" / "open", steps=steps, value_range=(0, 255))
        for kind, folder in noisy.items()
    }
    for gain, read in POISSON:
        scores: dict[str, list[float]] = {"measured": [], "gaussian": [], "gaussian, level measured": []}
        for number, path in enumerate(sorted((DATA / "test" / "kodak24").glob("*.png"))):
            clean = read_image(path).values.astype(np.float32)
            seen = Image.from_array(255 * with_noise(clean / 255, gain, read, seed=100 + number), value_range=(0, 255))
            sigma = 255 * float(np.sqrt(np.mean(gain * clean / 255 + read**2)))
            for name, values in scores.items():
                kind = name.split(",")[0]
                told = {"sigma": sigma} if name == "gaussian" else {}
                made = limpid.denoise(seen, model=str(work / kind / "model"), **told).values
                values.append(psnr(made, clean, data_range=255))
        rows += [
            {
                **models[name.split(",")[0]],
                "data": f"kodak24, gain {gain}, read noise {read}, {name}",
                "psnr": round(float(np.mean(values)), 3),
            }
            for name, values in scores.items()
        ]
    return rows


def colour_pictures(folder: Path, count: int) -> list[np.ndarray]:
    """Return the middle of so many colour pictures of 8 bits, spread over a folder, range [0, 1]."""
    paths = sorted(folder.iterdir())
    found: list[np.ndarray] = []
    for path in paths[:: len(paths) // (2 * count)]:
        values = read_image(path).values
        if values.dtype == np.uint8 and values.ndim == 3 and values.shape[-1] == 3 and len(found) < count:
            y, x = (max(0, length - 512) // 2 for length in values.shape[:2])
            found.append(values[y : y + 512, x : x + 512].astype(np.float32) / 255)
    return found


def with_noise(unit: np.ndarray, gain: float, read: float, *, seed: int, flat: bool = False) -> np.ndarray:
    """Return an image of range [0, 1] with Poisson-Gaussian noise, or with Gaussian noise of the same mean variance."""
    rng = np.random.default_rng(seed)
    if flat:
        noise = np.sqrt(np.mean(gain * unit + read**2)) * rng.standard_normal(unit.shape)
        return (unit + noise).astype(np.float32)
    return (gain * rng.poisson(unit / gain) + read * rng.standard_normal(unit.shape)).astype(np.float32)


def autoencoder(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """Digits of 28 x 28 at sigma 50: an autoencoder with 64 latents, and what advise says of latents and patch size."""
    stacks = {name: work.parent / "digits" / name / "digits.tif" for name in ("noisy", "clean")}
    pictures = digits(20_000, seed=0)
    noisy = pictures + 50 / 255 * np.random.default_rng(0).standard_normal(pictures.shape)
    for name, values in (("noisy", noisy), ("clean", pictures)):
        if not stacks[name].exists():
            stacks[name].parent.mkdir(parents=True, exist_ok=True)
            write_image(stack(values), stacks[name])
    options = {"clean": stacks["clean"].parent, "value_range": (0, 1)}
    model = trained(
        stacks["noisy"].parent,
        work,
        architecture="autoencoder",
        parameters={"latent_dim": 64},
        minutes=minutes or 10,
        **options,
    )
    fresh = digits(2_000, seed=1)
    seen = fresh + 50 / 255 * np.random.default_rng(1).standard_normal(fresh.shape)
    made = limpid.denoise(stack(seen), model=str(work)).values
    advice = limpid.advise(
        stacks["noisy"].parent, architecture="autoencoder", questions=["patch_px", "latent_dim"], minutes=10, **options
    )
    (RESULTS / "advice-digits.png").write_bytes(advice.plot())
    scores = {"psnr": psnr(made, fresh, data_range=1), "psnr_noisy": psnr(seen, fresh, data_range=1)}
    rows: list[dict[str, object]] = [{**model, "data": "digits", **{k: round(v, 3) for k, v in scores.items()}}]
    for answer in advice.answers:
        rows += [
            {
                "data": f"digits, {answer.question} {row['value']}",
                "steps": row["steps"],
                "noise_left": round(row["noise_left"], 4),
            }
            for row in answer.rows
        ]
    return rows


def stack(values: np.ndarray) -> Image:
    """Return pictures of shape (N, Y, X) in [0, 1] as one image."""
    return Image.from_array(values.astype(np.float32), axes="TYX", value_range=(0, 1))


def w2s_frames(*fields: str, channel: int | None = None) -> list[Path]:
    """Return the single frames of some fields of W2S, of one channel or of all."""
    named = "*" if channel is None else str(channel)
    frames = DATA / "fluorescence" / "w2s"
    return sorted(path for field in fields for path in frames.glob(f"input_avg1_{field}_{named}.tif"))


def w2s_clean(frame: Path) -> np.ndarray:
    """Return the average of 400 frames of the field of a frame."""
    return read_image(frame.with_name(frame.name.replace("input_avg1", "target_avg400"))).values


def trained(noisy: Path | list[Path], work: Path, **options: object) -> dict[str, object]:
    """Train, or go on where a run was stopped, or take the model that is there; return what the run says of itself."""
    if not (work / "card.json").exists():
        resume = {"resume": True} if (work / "run" / "checkpoint.safetensors").exists() else {}
        if resume:
            options = {name: value for name, value in options.items() if name not in ("minutes", "steps")}
        limpid.train(noisy, work, **options, **resume)  # type: ignore[arg-type]
    rows = read_log(work / "run")
    ends = [0, *(int(row["step"]) for row in rows)]
    minutes = sum((b - a) / float(row["steps_per_s"]) for a, b, row in zip(ends, ends[1:], rows, strict=False)) / 60
    return {"strategy": options.get("strategy", "auto"), "steps": rows[-1]["step"], "minutes": round(minutes, 1)}


def write_noisy(data: Path, folder: Path) -> None:
    """Write each image of a data set with white Gaussian noise, as float TIFF: neither clipped nor rounded."""
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(data.glob("*.png"))):
        pixels = read_image(path).values.astype(np.float32)
        noise = np.random.default_rng([SIGMA, number]).standard_normal(pixels.shape)
        tifffile.imwrite(part / f"{path.stem}.tif", (pixels + SIGMA * noise).astype(np.float32))
    part.rename(folder)


ROWS = {
    "recorrupted": from_scratch("recorrupted"),
    "noise2void": from_scratch("noise2void"),
    "fluorescence": fluorescence,
    "one_image": one_image,
    "adapted": adapted,
    "noise_models": noise_models,
    "autoencoder": autoencoder,
}


if __name__ == "__main__":
    main()
