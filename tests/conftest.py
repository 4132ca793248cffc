"""What several test folders share."""

from __future__ import annotations

import logging
import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory):
    """Keep self-tests and downloads of a test run out of the user's cache, also in processes it starts."""
    before = os.environ.get("LIMPID_CACHE")
    os.environ["LIMPID_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["LIMPID_CACHE"]
    else:
        os.environ["LIMPID_CACHE"] = before


@pytest.fixture(scope="session")
def s3():
    """Return what has to be in the environment to reach a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").disabled = True  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture(scope="session")
def save_tiny():
    """Return what writes a network of a few random weights as a model folder; what its card says may be told."""
    import torch

    from limpid.models.cards import ModelCard
    from limpid.models.checkpoint import save_model
    from limpid.models.registry import build_network

    def save(folder, *, name, channels, seed=0, **told):
        torch.manual_seed(seed)
        parameters = {"channels": channels, "widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]}
        network = build_network("unet", parameters)
        known = {
            "name": name,
            "architecture": "unet",
            "parameters": parameters,
            "channels": channels,
            "weights": sum(p.numel() for p in network.parameters()),
            "kmac_per_pixel": 1.0,
            "sigma_max": 0.2,
            "bf16_sigma_min": 0.04,
            "halo_px": 32,
            "bytes_per_pixel": 448,
            "size_multiple": 4,
            "noise": "none",
            "data": "none",
            "recipe": "none",
            "licence": "Apache-2.0",
            "metrics": {},
            "sha256": "",
        }
        return save_model(network, ModelCard(**known | told), folder)

    return save


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, save_tiny):
    """Return a stored network of a few random weights."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny-gray", name="tiny-gray", channels=1)
