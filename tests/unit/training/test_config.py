import json
from pathlib import Path

import pytest

from limpid.core.errors import ConfigError
from limpid.core.preprocess import NormalisePercentile
from limpid.training.config import Optimiser, TrainConfig, parse_loss
from limpid.training.preparation import Preparation
from limpid.training.schedule import learning_rate_at

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))
WITH_STAGES = next(path for path in RECIPES if path.name == "fast-color.toml")


@pytest.fixture
def recipe(tmp_path):
    def write(old="", new=""):
        text = WITH_STAGES.read_text()
        assert old in text
        path = tmp_path / "recipe.toml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_is_a_whole_configuration(path):
    config = TrainConfig.from_toml(path)
    # The later parts of a model's training bear its name.
    assert config.name == path.stem.removesuffix("-last").removesuffix("-taught")
    assert config.stages[-1].until == 1


def test_an_unknown_key_gets_the_nearest_spelling(recipe):
    with pytest.raises(ConfigError, match=r"unknown key 'sigma_maximum'.*did you mean 'sigma_max'"):
        TrainConfig.from_toml(recipe("sigma_max", "sigma_maximum"))


def test_a_missing_key_is_named(recipe):
    with pytest.raises(ConfigError, match="lacks 'seed'"):
        TrainConfig.from_toml(recipe("seed = ", "# "))


@pytest.mark.parametrize(
    ("old", "new"), [('"l1"', "1"), ("sigma_max = 55", "sigma_max = true"), ("sigma_max = 55", "sigma_max = '55'")]
)
def test_a_value_of_the_wrong_type_is_named(recipe, old, new):
    with pytest.raises(ConfigError, match="must be"):
        TrainConfig.from_toml(recipe(old, new))


def test_a_recipe_may_prepare_images_and_says_so_when_it_is_written_down(recipe):
    added = """
[data.preparation]
augment = "mirror"
skip_empty = 0.5
preprocessing = [{ name = "normalise_percentile", low = 2, high = 98 }]

[noise]
"""
    config = TrainConfig.from_toml(recipe("[noise]\n", added))
    assert config.data.preparation == Preparation(
        preprocessing=(NormalisePercentile(low=2, high=98),), augment="mirror", skip_empty=0.5
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())), where="x") == config


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('preprocessing = [{ name = "normalize_range" }]', "did you mean 'normalise_range'"),
        ("preprocessing = [3]", "mapping with a name"),
        ('augment = "rotate"', "unknown augmentation 'rotate'"),
        ("skip_emtpy = 0.5", "did you mean 'skip_empty'"),
    ],
)
def test_a_preparation_that_is_none_is_refused(recipe, line, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_toml(recipe("[noise]\n", f"[data.preparation]\n{line}\n[noise]\n"))


def test_stages_follow_each_other_over_the_steps():
    config = TrainConfig.from_toml(WITH_STAGES)
    ends = [round(stage.until * config.steps) for stage in config.stages]
    for stage, start, end in zip(config.stages, [0, *ends], ends, strict=False):
        assert config.stage_at(start) == config.stage_at(end - 1) == stage
    assert config.stage_at(config.steps) == config.stages[-1]


def test_the_rate_warms_up_and_falls_to_nothing():
    optimiser = Optimiser(learning_rate=1.0, warmup_steps=100)
    rates = [learning_rate_at(step, steps=1000, optimiser=optimiser) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert rates.index(max(rates)) == 99
    assert rates[-1] < 1e-5


def test_a_rate_that_is_held_falls_as_steeply_as_a_shorter_run_would():
    held = Optimiser(learning_rate=1.0, warmup_steps=1, hold=0.75)
    rates = [learning_rate_at(step, steps=1000, optimiser=held) for step in range(1000)]
    assert set(rates[:751]) == {1.0}
    short = Optimiser(learning_rate=1.0, warmup_steps=1)
    assert rates[750:] == pytest.approx([learning_rate_at(step, steps=250, optimiser=short) for step in range(250)])


def test_a_rate_can_not_be_held_to_the_end():
    with pytest.raises(ConfigError, match="hold is a share of the steps, at least 0 and below 1, got 1"):
        Optimiser(hold=1.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("until = 1.0", "until = 0.9", "last at 1"),
        ("until = 0.5", "until = 0.9", "rising"),
        ('loss = "mse"', 'loss = "msr"', "unknown loss 'msr' in 'msr'; did you mean 'mse'"),
        ("batch = 3", "batch = 0", "at least 1"),
        ("reductions = [0.3, 0.45, 0.25]", "reductions = [0.5, 0.4]", "sum to 1"),
    ],
)
def test_a_value_out_of_range_is_refused_before_training_starts(recipe, old, new, message):
    path = recipe()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_toml(path)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("l1", ((1.0, "l1"),)),
        ("0.84 ms_ssim + 0.16 l1", ((0.84, "ms_ssim"), (0.16, "l1"))),
        ("mse+2 huber  +1e-3 cross_entropy", ((1.0, "mse"), (2.0, "huber"), (1e-3, "cross_entropy"))),
    ],
)
def test_a_loss_is_a_name_or_a_weighted_sum(text, terms):
    assert parse_loss(text) == terms


KNOWN = "(k|K)nown: charbonnier, cross_entropy, huber, l1, ms_ssim, mse"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ms-ssim", "unknown loss 'ms-ssim' in 'ms-ssim'; did you mean 'ms_ssim'"),
        ("0.5 l1 + 0.5 hubber", "unknown loss 'hubber' in '0.5 l1 [+] 0.5 hubber'; did you mean 'huber'"),
        ("perceptual", f"unknown loss 'perceptual' in 'perceptual'; {KNOWN}"),
        ("-0.5 l1", f"weight of 'l1' must be a number above 0, got '-0.5'.*{KNOWN}"),
        ("0 l1", f"got '0'.*{KNOWN}"),
        ("nan l1", f"got 'nan'.*{KNOWN}"),
        ("inf l1", f"got 'inf'.*{KNOWN}"),
        ("half l1", f"got 'half' in 'half l1'.*{KNOWN}"),
        ("0.5 * l1", f"must be a name, or weights and names.*{KNOWN}"),
        ("l1 +", f"must be a name, or weights and names.*{KNOWN}"),
        ("", f"must be a name, or weights and names.*{KNOWN}"),
        ("0.5", f"unknown loss '0.5'.*{KNOWN}"),
    ],
)
def test_a_loss_that_is_none_is_refused_with_what_came_and_what_may_be_meant(recipe, text, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_toml(recipe('loss = "mse"', f'loss = "{text}"'))


def test_what_a_strategy_is_told_is_kept_and_may_be_missing_in_old_checkpoints():
    raw = json.loads(json.dumps(TrainConfig.from_toml(WITH_STAGES).to_dict()))
    del raw["strategy_parameters"]
    assert TrainConfig.from_dict(raw, where="old").strategy_parameters.mask_px is None
    told = raw | {"strategy": "noise2void", "strategy_parameters": {"mask_px": [0, 3]}}
    config = TrainConfig.from_dict(told, where="new")
    assert config.strategy_parameters.mask_px == (0, 3)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())), where="again") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy_parameters": {"mask_px": [0, 3]}}, "mask_px is for the strategy 'noise2void', .* 'supervised'"),
        ({"strategy": "noise2void", "strategy_parameters": {"mask_px": [3]}}, r"two numbers .* got \[3\]"),
        ({"strategy": "noise2void", "strategy_parameters": {"mask_px": [0, -1]}}, r"from 0 to 15, got \[0, -1\]"),
        ({"strategy": "noise2void", "strategy_parameters": {"mask": [0, 1]}}, "did you mean 'mask_px'"),
        ({"strategy": "blind_spot"}, "'blind_spot' .* takes no loss, got 'l1'; leave it out"),
    ],
)
def test_what_a_strategy_does_not_take_is_refused(changes, message):
    raw = json.loads(json.dumps(TrainConfig.from_toml(WITH_STAGES).to_dict()))
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(raw | changes, where="recipe")


def test_a_likelihood_has_no_loss_and_all_else_has():
    raw = json.loads(json.dumps(TrainConfig.from_toml(WITH_STAGES).to_dict()))
    for stage in raw["stages"]:
        del stage["loss"]
    assert TrainConfig.from_dict(raw | {"strategy": "blind_spot"}, where="recipe").stages[0].loss is None
    with pytest.raises(ConfigError, match="'supervised' needs a loss in each stage; add one of: charbonnier"):
        TrainConfig.from_dict(raw, where="recipe")


@pytest.mark.parametrize("content", [None, b"steps = ", b"\xff\xfe"])
def test_what_is_no_recipe_is_refused(tmp_path, content):
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be read as TOML"):
        TrainConfig.from_toml(path)
