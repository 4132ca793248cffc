"""What the strength dial removes: root mean square of noisy minus denoised over Kodak24, sigma 25, strength 0 to 2.

LIMPID_DATA=... python benchmarks/strength.py
"""

import numpy as np
from record import record

import limpid
from limpid.evaluation.datasets import resolve

SIGMA = 25
STRENGTHS = np.arange(0, 2.01, 0.25)


def main() -> None:
    removed: list[list[float]] = []
    identical = True
    model = limpid.load_model("fast")
    for index, image in enumerate(resolve("kodak24").images()):
        rng = np.random.default_rng([0, index])
        noisy = np.clip(np.rint(limpid.Gaussian(SIGMA).sample(image.values.astype(np.float32), rng=rng)), 0, 255)
        noisy = noisy.astype(np.uint8)
        results = [limpid.denoise(noisy, model=model, strength=float(s)) for s in STRENGTHS]
        identical &= np.array_equal(results[0], noisy)
        removed.append([float(np.sqrt(np.mean((r.astype(np.float64) - noisy) ** 2))) for r in results])
    table = np.array(removed)
    falls = int((np.diff(table, axis=1) < 0).any(axis=1).sum())
    rows = [{"strength": s, "rms_removed_mean": round(m, 4)} for s, m in zip(STRENGTHS, table.mean(0), strict=True)]
    rows.append({"identical_at_0": identical, "images": len(table), "images_where_it_falls": falls})
    record("strength", rows)


if __name__ == "__main__":
    main()
