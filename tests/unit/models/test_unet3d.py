import pytest
import torch

from limpid.models.checkpoint import measure_cost
from limpid.models.registry import build_network

SMALL = {"channels": 1, "widths": [8, 8], "blocks": [1, 1], "decoder_blocks": [1]}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("unet3d", SMALL).eval()


def stack(*shape):
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))


def test_there_is_no_bias_and_no_normalisation(network):
    kinds = {type(m).__name__ for m in network.modules() if not list(m.children())}
    assert kinds == {"Conv3d", "ConvTranspose3d"}
    assert all(name.endswith("weight") for name, _ in network.named_parameters())


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_a_stack_may_be_of_any_depth(network, depth):
    noisy = stack(depth, 8, 12)
    assert network(noisy, torch.full_like(noisy, 0.1)).shape == noisy.shape


@torch.no_grad()
def test_a_plane_sees_as_many_planes_on_either_side_as_there_are_convolutions(network):
    network.double()  # what is far away counts for less than float32 can tell
    noisy = stack(25, 8, 8).double()
    changed = noisy.clone()
    changed[:, :, 12] += 1
    level = torch.full_like(noisy, 0.1)
    moved = (network(changed, level) - network(noisy, level)).abs().amax(dim=(0, 1, 3, 4)) > 0
    # Stem, head, and two of each of three blocks; downwards and upwards nothing is mixed between planes.
    assert moved.nonzero().flatten().tolist() == list(range(12 - 8, 12 + 8 + 1))


@torch.no_grad()
def test_in_the_plane_it_is_the_unet_where_only_the_middle_of_its_kernels_counts(network):
    flat = build_network("unet", SMALL).eval()
    state = {name: weight[:, :, weight.shape[2] // 2] for name, weight in network.state_dict().items()}
    flat.load_state_dict(state)
    noisy = stack(1, 16, 12)
    level = torch.full_like(noisy, 0.1)
    assert torch.allclose(network(noisy, level)[:, :, 0], flat(noisy[:, :, 0], level[:, :, 0]), atol=1e-6)


def test_multiply_accumulates_are_counted_as_by_hand():
    half = 27 * (8 * 8 + 4 * 8 * 8 + 8 * 4)
    quarter = 4 * 8 * 8 + 27 * 2 * 8 * 8 + 4 * 8 * 8
    assert measure_cost(build_network("unet3d", SMALL), channels=1).macs == half / 4 + quarter / 16


def test_a_new_one_begins_close_to_the_network_of_the_plane_between():
    torch.manual_seed(0)
    weights = [w for w in build_network("unet3d", {**SMALL, "widths": [32, 32]}).parameters() if w.shape[2] == 3]
    for weight in weights:
        before, middle, after = weight.std(dim=(0, 1, 3, 4)).tolist()
        # Over at least 32 * 4 * 9 numbers: 10 % are four standard errors.
        assert before / middle == pytest.approx(0.1, rel=0.1)
        assert after / middle == pytest.approx(0.1, rel=0.1)
