import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

import limpid
from limpid.catalog.measure import Settings
from limpid.catalog.question import opened
from limpid.noise.result import UNKNOWN, NoiseEstimate
from limpid.workflows.auto import decide as decide_module
from limpid.workflows.auto.candidates import SHIPPED, UNCHANGED, Candidate, ready
from limpid.workflows.auto.decide import minutes_for
from limpid.workflows.auto.decisions import Decision, Record
from limpid.workflows.auto.race import Score, choose, score

KNOWN = dataclasses.replace(UNKNOWN, sigma=10, sigma_interval=(10 / 1.1, 10 * 1.1))


def _score(name, psnr, speed=1.0):
    interval = None if psnr is None else (psnr - 0.5, psnr + 0.5)
    return Score(Candidate(name, name), psnr, interval, "good", None if psnr else "it can't be told", speed)


def _unchanged(psnr):
    return Score(UNCHANGED, psnr, (psnr - 0.1, psnr + 0.1), "too little removed", None, None)


def test_the_best_wins_and_the_reason_says_by_how_much():
    winner, reason = choose([_unchanged(28.0), _score("nlm", 30.0), _score("fast", 31.0)])
    assert winner.name == "fast"
    assert reason == "estimated 31.00 dB, 1.00 dB ahead of nlm"


def test_of_candidates_as_good_the_fastest_wins():
    winner, reason = choose([_score("slow", 31.02, speed=0.1), _score("fast", 31.0, speed=9.0), _score("tv", 29.0)])
    assert winner.name == "fast"
    assert "slow is as good and slower" in reason


def test_images_are_left_as_they_are_where_nothing_makes_them_better():
    winner, _ = choose([_unchanged(45.0), _score("nlm", 40.0)])
    assert winner == UNCHANGED


def test_where_nothing_can_be_scored_the_shipped_model_is_taken_and_the_reason_said():
    winner, reason = choose([_unchanged(28.0), _score("fast", None), _score("nlm", None)])
    assert winner == SHIPPED
    assert "it can't be told" in reason


def test_a_network_too_good_to_be_measured_does_not_lose_for_it():
    winner, reason = choose([_unchanged(26.5), _score("fast", None), _score("wavelet", 43.7)])
    assert winner == SHIPPED
    assert reason == "the shipped model, since nothing can be compared with fast: it can't be told"


@pytest.mark.parametrize(("white", "stronger"), [(True, 0), (False, 4)])
def test_networks_for_white_noise_are_tried_stronger_where_it_is_correlated(white, stronger):
    names = [one.name for one in ready(SimpleNamespace(white=white, jpeg=False, channels=(None,)))]
    assert names[:2] == ["unchanged", "best"]
    assert sum("strength" in name for name in names) == stronger
    assert {"nlm", "wavelet", "tv", "bilateral", "median"} < set(names)


def _cohort(place, images, code="level"):
    return SimpleNamespace(id=place, images=images, advice=(SimpleNamespace(code=code),))


def test_minutes_are_shared_out_by_the_root_of_the_images():
    shares = minutes_for([_cohort(0, 400), _cohort(1, 100)], 30)
    assert shares == pytest.approx({0: 20, 1: 10})


def test_what_would_get_too_little_leaves_it_to_the_others():
    assert minutes_for([_cohort(0, 400), _cohort(1, 100)], 6) == {0: 6}
    assert minutes_for([_cohort(0, 400)], 1) == {}


def test_small_and_clean_cohorts_get_nothing():
    assert minutes_for([_cohort(0, 3), _cohort(1, 100, "clean")], 100) == {}


def test_decisions_are_found_again(tmp_path):
    scores = (_unchanged(28.0), _score("fast", 31.0), _score("tv", None))
    decision = Decision(Candidate("fast", "fast"), "estimated", scores, ("a note",), 3.0, ("/a.png",))
    Record(tmp_path).keep("key", decision)
    assert Record(tmp_path).get("key") == decision
    assert Record(tmp_path).get("other") is None


def test_a_decision_whose_model_is_gone_is_made_again(tmp_path):
    Record(tmp_path).keep("key", Decision(Candidate("trained", str(tmp_path / "gone")), "estimated"))
    assert Record(tmp_path).get("key") is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": {"winner": 1}}', b"[]"])
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / "decisions.json").write_bytes(content)
    assert Record(tmp_path).get("key") is None
    Record(tmp_path).keep("key", Decision(UNCHANGED, "it is clean"))
    assert Record(tmp_path).get("key") == Decision(UNCHANGED, "it is clean")


def _sample(*channels):
    return SimpleNamespace(noise=NoiseEstimate(channels, 255.0), raced=SimpleNamespace(span=255.0))


def test_images_as_they_are_have_the_error_of_their_noise():
    found = score(UNCHANGED, _sample(KNOWN))
    assert found.psnr == pytest.approx(20 * math.log10(25.5))
    low, high = found.interval
    assert high - low == pytest.approx(2 * 20 * math.log10(1.1) * 2.132 / 2.776)  # 90 %, where that of sigma is of 95 %


def test_nothing_is_told_of_images_of_which_one_channel_could_not_be_measured():
    assert score(UNCHANGED, _sample(KNOWN, UNKNOWN)).psnr is None


def test_no_time_is_spent_on_a_network_that_could_not_be_judged(tmp_path, monkeypatch):
    limpid.write_image(np.random.default_rng(0).normal(120, 12, (64, 64)).astype(np.uint8), tmp_path / "in.png")
    (cohort,) = limpid.survey(tmp_path / "in.png", tmp_path / "census", pictures=False).cohorts
    monkeypatch.setattr(decide_module, "score", lambda one, _: _score(one.name, None))
    monkeypatch.setattr(decide_module, "learn", lambda *_, **__: pytest.fail("it was trained"))
    found = decide_module.decide(
        opened(tmp_path / "census"),
        cohort,
        tmp_path / "networks",
        minutes=60,
        seed=0,
        settings=Settings(),
        stages=None,
    )
    assert found.winner == SHIPPED
    assert found.notes == ("no network was trained, since none could be scored: it can't be told",)
