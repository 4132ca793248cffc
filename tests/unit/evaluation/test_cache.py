"""The cache folder."""

from pathlib import Path

from limpid.core.cache import cache_folder


def test_limpid_cache_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder("datasets", "set12") == tmp_path / "datasets" / "set12"


def test_an_empty_limpid_cache_is_none(monkeypatch):
    monkeypatch.setenv("LIMPID_CACHE", "")
    assert cache_folder().is_absolute()
    assert "limpid" in cache_folder().parts


def test_asking_for_a_folder_makes_none(monkeypatch, tmp_path):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path / "cache"))
    assert not cache_folder("datasets").exists()


def test_a_tilde_in_limpid_cache_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LIMPID_CACHE", "~/cache")
    assert cache_folder() == Path(tmp_path) / "cache"
