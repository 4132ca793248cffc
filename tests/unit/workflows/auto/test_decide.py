from types import SimpleNamespace

import pytest

from limpid.workflows.auto.candidates import SHIPPED, UNCHANGED, Candidate, ready
from limpid.workflows.auto.decide import minutes_for
from limpid.workflows.auto.decisions import Decision, Record
from limpid.workflows.auto.race import Score, choose


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


@pytest.mark.parametrize(("white", "stronger"), [(True, 0), (False, 2)])
def test_networks_for_white_noise_are_tried_stronger_where_it_is_correlated(white, stronger):
    names = [one.name for one in ready(SimpleNamespace(white=white))]
    assert names[:2] == ["unchanged", "fast"]
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


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": {"winner": 1}}'])
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / "decisions.json").write_bytes(content)
    assert Record(tmp_path).get("key") is None
