"""Patches, noise and the loop."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data as pictures

from limpid.core.errors import ConfigError, DataError
from limpid.core.image import Image
from limpid.core.preprocess import NormaliseRange
from limpid.io import write_image
from limpid.models.registry import build_network
from limpid.noise.levels import level_map
from limpid.noise.models import PoissonGaussian
from limpid.training.batch import Batch, Synthetic
from limpid.training.checkpoint import averaged_weights
from limpid.training.config import OPTIMISER_NAMES, Architecture, Data, Noise, Optimiser, Stage, TrainConfig
from limpid.training.data import Pool, open_pool, reduce, split_names
from limpid.training.degrade import add_noise
from limpid.training.loop import Trainer
from limpid.training.optimisers import OPTIMISERS, Muon
from limpid.training.preparation import Preparation
from limpid.training.validation import HeldOut, Validation

PARAMETERS = {"channels": 1, "widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]}
DATA = Data(pool="none", channels=1)
CONFIG = TrainConfig(
    name="tiny",
    seed=3,
    steps=12,
    architecture=Architecture(name="unet", parameters=PARAMETERS),
    data=DATA,
    noise=Noise(),
    optimiser=Optimiser(warmup_steps=2),
    stages=(Stage(until=0.5, patch_px=16, batch=4, loss="l1"), Stage(until=1.0, patch_px=32, batch=1, loss="mse")),
)


@pytest.fixture(scope="module")
def pool():
    return Pool([pictures.astronaut()[:200, :200], pictures.coffee()[100:300, 100:300]], DATA)


def trainer(folder, pool, **changes):
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, **changes)
    network = build_network("unet", PARAMETERS)
    return Trainer(config, network=network, source=Synthetic(pool, config.noise), folder=folder, validate=lambda _: {})


def test_adding_files_moves_none_between_training_and_validation():
    names = [f"{i}.png" for i in range(400)]
    training, held_out = split_names(names[:200], validation_share=0.1)
    more_training, more_held_out = split_names(names, validation_share=0.1)
    assert set(training) <= set(more_training)
    assert set(held_out) <= set(more_held_out)
    assert 20 <= len(more_held_out) <= 60


def test_patches_have_the_asked_shape_and_range_and_follow_from_the_seed(pool):
    first, again, other = (pool.draw(6, patch_px=24, rng=np.random.default_rng(s)) for s in (0, 0, 1))
    assert first.shape == (6, 1, 24, 24)
    assert 0 <= first.min() < first.max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pictures_of_a_pool_are_augmented_as_asked_for_and_otherwise_used_as_they_are():
    picture = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16, 1)
    for augment, kinds in (("none", 1), ("mirror", 2), ("turns", 8)):
        pool = Pool([picture], dataclasses.replace(DATA, preparation=Preparation(augment=augment)))
        patches = pool.draw(100, patch_px=16, rng=np.random.default_rng(0))
        assert len({patch.tobytes() for patch in patches}) == kinds
    for preparation in (Preparation(skip_empty=0.5), Preparation(preprocessing=(NormaliseRange(),))):
        with pytest.raises(ConfigError, match="for images of one's own"):
            Pool([picture], dataclasses.replace(DATA, preparation=preparation))


def test_a_picture_too_small_to_be_reduced_is_cut_as_it_is():
    pool = Pool([np.full((20, 20, 3), 9, np.uint8)], dataclasses.replace(DATA, reductions=(0.0, 0.0, 1.0)))
    assert pool.draw(2, patch_px=16, rng=np.random.default_rng(0)) == pytest.approx(9 / 255)


def test_reducing_averages_boxes():
    picture = np.arange(32, dtype=np.uint8).reshape(4, 8, 1)
    assert reduce(picture, 2)[0, 0, 0] * 255 == pytest.approx(np.mean([0, 1, 8, 9]))


def test_a_pool_is_read_from_a_folder_of_pictures(tmp_path):
    for i in range(6):
        write_image(Image.from_array(pictures.astronaut()[: 40 + i, :50]), tmp_path / f"{i}.png")
    training, held_out = open_pool(Data(pool=str(tmp_path), channels=3, validation_share=0.5))
    assert len(training.pictures) + len(held_out.pictures) == 6
    assert training.pictures[0].shape[1:] == (50, 3)


def test_a_pool_of_sixteen_bit_pictures_is_refused(tmp_path):
    write_image(Image.from_array(np.zeros((9, 9), np.uint16)), tmp_path / "a.png")
    with pytest.raises(DataError, match="8-bit"):
        open_pool(Data(pool=str(tmp_path), channels=1))


@given(st.integers(0, 2**32))
def test_the_level_told_is_that_of_the_noise_added(seed):
    noise = Noise(zero_share=0.0, poisson_share=0.5, per_channel_share=0.5, level_error=0.0)
    clean = torch.full((4, 3, 48, 48), 0.5)
    noisy, level = add_noise(clean, noise, torch.Generator().manual_seed(seed))
    deviation = (noisy - clean).std(dim=(2, 3))
    expected = level.square().mean((2, 3)).sqrt()
    # 2304 samples: the standard error of a standard deviation is 1.5 %; five of them, and what the box mean adds.
    assert torch.allclose(deviation, expected, rtol=0.09, atol=1e-6)


def test_a_share_of_patches_has_no_noise_at_all():
    noisy, level = add_noise(torch.ones(400, 1, 4, 4), Noise(zero_share=0.25), torch.Generator().manual_seed(0))
    silent = (noisy == 1).all(dim=(1, 2, 3))
    assert 70 <= int(silent.sum()) <= 130
    assert level[silent].abs().max() == 0


def test_the_level_map_is_the_one_used_on_real_images():
    """The two implementations, here and in the noise package, must stay one definition."""
    noise = Noise(zero_share=0.0, poisson_share=1.0, level_error=0.0)
    clean = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    noisy, level = add_noise(clean, noise, torch.Generator().manual_seed(2))
    variance = level.square()
    signal = torch.nn.functional.avg_pool2d(noisy, 7, stride=1, padding=3, count_include_pad=False).clamp(min=0)
    gain, floor = np.polyfit(signal.ravel().numpy(), variance.ravel().numpy(), 1)
    told = level_map(noisy[0].permute(1, 2, 0).numpy(), PoissonGaussian(float(gain), float(floor)))
    assert told[..., 0] == pytest.approx(level[0, 0].numpy(), rel=1e-3)


@pytest.mark.parametrize("name", sorted(OPTIMISER_NAMES))
def test_a_resumed_run_gives_the_bytes_of_an_uninterrupted_one(pool, tmp_path, name):
    optimiser = Optimiser(name=name, warmup_steps=2)
    trainer(tmp_path / "whole", pool, optimiser=optimiser).run(checkpoint_every=5)
    interrupted = trainer(tmp_path / "parts", pool, optimiser=optimiser)
    interrupted.validate = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(checkpoint_every=5)
    resumed = trainer(tmp_path / "parts", pool, optimiser=optimiser)
    assert resumed.step == 5
    resumed.run(checkpoint_every=5)
    whole, parts = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_training_learns_and_averages(pool, tmp_path):
    run = trainer(tmp_path, pool, steps=60)
    start = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.run(checkpoint_every=60)
    averaged = averaged_weights(tmp_path)
    assert averaged.keys() == start.keys()
    assert all(not torch.equal(averaged[name], start[name]) for name in start)
    losses = [row.split(",")[1] for row in (tmp_path / "log.csv").read_text().splitlines()]
    assert float(losses[1]) < 0.08


def test_validation_is_the_same_each_time_and_better_for_a_better_network(pool):
    large = Pool([np.tile(p, (2, 2, 1)) for p in pool.pictures], DATA)
    validation = Validation(large)
    network = build_network("unet", PARAMETERS)
    first, again = validation(network), validation(network)
    assert first == again
    torch.nn.init.zeros_(network.head.weight)
    silent = validation(network)
    assert silent["psnr_25"] == pytest.approx(20.17, abs=0.1)


def test_a_checkpoint_of_another_recipe_is_refused_by_what_differs(pool, tmp_path):
    trainer(tmp_path, pool).run()
    with pytest.raises(ConfigError, match="another steps: 12, now 20"):
        trainer(tmp_path, pool, steps=20)


def test_every_optimiser_that_may_be_named_is_there():
    assert OPTIMISERS.keys() == OPTIMISER_NAMES


DENSE = {"channels": 1, "input_px": 28, "widths": [64], "latent_dim": 16, "kind": "dense"}


def autoencoder(folder, pool, **changes):
    torch.manual_seed(0)
    architecture = Architecture(name="autoencoder", parameters=DENSE)
    stages = (Stage(until=1.0, patch_px=28, batch=16, loss="392 mse"),)
    config = dataclasses.replace(CONFIG, **{"architecture": architecture, "stages": stages, **changes})
    network = build_network(architecture.name, DENSE)
    source = Synthetic(pool, config.noise)
    return Trainer(config, network=network, source=source, folder=folder, validate=lambda _: {})


@pytest.mark.parametrize("zero_share", [1.0, 0.0])
def test_an_autoencoder_learns_from_clean_images_or_noisy_ones(pool, tmp_path, zero_share):
    """Clean to clean is training with noise in no patch."""
    run = autoencoder(tmp_path, pool, steps=150, noise=Noise(zero_share=zero_share))
    run.run(checkpoint_every=50)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert losses[-1] < losses[0] / 2


def test_patches_that_the_network_does_not_take_are_refused_before_training(pool, tmp_path):
    with pytest.raises(ConfigError, match=r"'autoencoder' .* takes multiples of 28 .* patch_px = 30"):
        autoencoder(tmp_path, pool, stages=(Stage(until=1.0, patch_px=30, batch=1, loss="l1"),))


def test_muon_does_not_take_biases(pool, tmp_path):
    with pytest.raises(ConfigError, match="choose adamw"):
        autoencoder(tmp_path, pool, optimiser=Optimiser(name="muon"))


def test_a_network_that_does_not_take_validation_pictures_sees_the_most_it_takes(pool):
    validation = Validation(Pool([np.tile(p, (2, 2, 1)) for p in pool.pictures], DATA))
    network = build_network("autoencoder", DENSE)
    seen = []
    network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-2:]))
    validation(network)
    assert set(seen) == {(252, 252)}


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (40, 2, 2, 2), (6, 6)])
def test_an_update_by_muon_moves_every_direction_by_about_as_much(shape):
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=1.0).step()
    singular = torch.linalg.svdvals(weight.detach().flatten(1))
    size = 0.2 * max(weight.flatten(1).shape) ** 0.5
    # What five rounds of the polynomial leave of singular values from 0.05 up.
    assert bool((0.6 * size < singular).all())
    assert bool((singular < 1.3 * size).all())
    assert float((weight.detach() * weight.grad).sum()) < 0


@pytest.mark.parametrize("target", [None, "clean", "noisy"])
def test_the_noise_that_is_left_is_told_without_clean_images(target):
    """For a network that removes nothing it is all of it; for one that halves it and keeps the signal, a quarter."""
    clean, strategy = torch.full((8, 1, 64, 64), 0.5), {"noisy": "noise2noise", "clean": "supervised"}.get(target)

    class Source:
        def draw(self, count, *, patch_px, rng, step):
            noisy, other = (
                clean + 0.1 * torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32)) for _ in range(2)
            )
            return Batch(noisy, torch.full_like(noisy, 0.1), {None: None, "clean": clean, "noisy": other}[target])

    left = HeldOut(Source(), strategy=strategy or "recorrupted", patch_px=64)
    assert left.level == pytest.approx(0.1 * (1 if target else 1.01**0.5))
    if target is None:  # at hidden pixels a network that knows the picture leaves nothing
        hidden = HeldOut(Source(), strategy="noise2void", patch_px=64, gaussian=False)
        assert hidden(lambda noisy, level: 0.5 - noisy)["noise_left"] == pytest.approx(0, abs=0.05)
    assert left(lambda noisy, level: torch.zeros_like(noisy))["noise_left"] == pytest.approx(1, abs=0.05)
    halved = left(lambda noisy, level: (0.5 - noisy) / 2)["noise_left"]
    assert halved == pytest.approx(0.25, abs=0.03)
