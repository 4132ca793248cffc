"""What a run is set to where nothing is asked for."""

import pytest

from limpid.workflows.training_config import Network, usual_patch_px


@pytest.mark.parametrize(
    ("architecture", "parameters", "side"),
    [
        ("unet", {"widths": [8, 8, 8], "blocks": [1, 1, 1], "decoder_blocks": [1, 1]}, 64),
        ("dncnn", {"width": 8, "depth": 3}, 64),
        # Digits of 28 x 28 are whole pictures: a patch of two of them has none.
        ("autoencoder", {"input_px": 28, "widths": [8], "latent_dim": 4}, 28),
        ("autoencoder", {"input_px": 96, "widths": [8], "latent_dim": 4}, 96),
    ],
)
def test_patches_have_about_64_pixels_and_autoencoders_get_their_input(architecture, parameters, side):
    assert usual_patch_px(Network(architecture, parameters)) == side
