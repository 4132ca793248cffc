"""Fit the small ensembles that the package reads numbers with (``limpid.core.ensemble``)."""

import numpy as np
import torch
from torch import Tensor, nn

from limpid.core.ensemble import FEATURE_MOST

WIDTH = 32
EPOCHS = 40
BATCH = 128


def standardised(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> Tensor:
    return torch.from_numpy(np.clip((x - mean) / scale, -FEATURE_MOST, FEATURE_MOST).astype(np.float32))


def fit(x: Tensor, y: Tensor, *, seed: int, weight_decay: float = 1e-3) -> nn.Sequential:
    """Return a network that gives y and the logarithm of its own error, by the likelihood of Student's t."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(x.shape[1], WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 2)
    )
    with torch.no_grad():
        network[4].weight.zero_()
        network[4].bias.copy_(torch.tensor([0.0, -3.0]))
    steps = EPOCHS * len(x) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        picked = torch.randint(len(x), (BATCH,), generator=generator)
        value, log_error = network(x[picked]).unbind(1)
        z = (y[picked] - value) * torch.exp(-log_error)
        loss = (log_error + 2.5 * torch.log1p(z.square() / 4)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network


def arrays(members: list[nn.Sequential]) -> dict[str, np.ndarray]:
    """Return the weights as :class:`limpid.core.ensemble.Ensemble` reads them, in half precision."""
    layers = [[member[i] for member in members] for i in (0, 2, 4)]
    stacked = {f"w{i}": np.stack([one.weight.detach().numpy() for one in layer]) for i, layer in enumerate(layers)}
    stacked |= {f"b{i}": np.stack([one.bias.detach().numpy() for one in layer]) for i, layer in enumerate(layers)}
    return {name: value.astype(np.float16) for name, value in stacked.items()}
