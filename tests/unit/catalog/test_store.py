"""The catalogue on disk."""

import duckdb
import numpy as np
import pytest

from limpid.catalog.columns import COLUMNS
from limpid.catalog.question import ask
from limpid.catalog.store import CATALOGUE, open_store
from limpid.core.errors import OptionError


def row(uri, fingerprint=1, **values):
    return {**dict.fromkeys(COLUMNS), "uri": uri, "fingerprint": fingerprint, **values}


def commit(store):
    merged = store.merge()
    count = duckdb.connect().execute(f"select count(*) from read_parquet('{merged}')").fetchall()[0][0]
    store.commit(merged, [(np.zeros(count, np.int64), np.ones(count))])


def names(folder, column="uri"):
    return [value for (value,) in ask(folder, f"select {column} from catalogue order by uri").rows]


def test_rows_become_a_table_that_any_program_opens(tmp_path):
    with open_store(tmp_path) as store:
        store.add(row("b", 2, sigma=float("inf"), advice=["white", "level"], taken="2024-05-06T07:08:09"))
        store.add(row("a", 1, sigma=1.5, error="\udce9 no"))
        commit(store)
    found = duckdb.connect().execute(f"select uri, sigma, advice, year(taken), error, cohort from '{store.path}'")
    assert found.fetchall() == [("a", 1.5, None, None, "? no", 0), ("b", None, ["white", "level"], 2024, None, 0)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", CATALOGUE]


def test_what_was_measured_before_is_kept_if_it_is_still_there(tmp_path):
    with open_store(tmp_path) as store:
        for number, name in enumerate("abc", 1):
            store.add(row(name, number, sigma=number))
        commit(store)
    with open_store(tmp_path) as store:
        assert store.keep(1)
        assert not store.keep(9)
        store.add(row("b", 9, sigma=20))
        commit(store)
    assert names(tmp_path) == ["a", "b"]
    assert names(tmp_path, "sigma") == [1, 20]


def test_what_failed_or_shows_no_version_is_measured_again(tmp_path):
    with open_store(tmp_path) as store:
        store.add(row("a", 1, error="broken"))
        store.add(row("b", 0))
        commit(store)
    with open_store(tmp_path) as store:
        assert not store.keep(1)
        assert not store.keep(0)
        store.add(row("a", 1))
        store.add(row("b", 0))
        commit(store)
    assert names(tmp_path, "error") == [None, None]


def test_a_survey_that_was_cut_off_loses_only_what_was_in_memory(tmp_path):
    with open_store(tmp_path) as store:
        store.add(row("a", 1))
        store.flush()
        store.add(row("b", 2))
        store._rows.clear()  # as if the process had been killed
    with open_store(tmp_path) as store:
        assert store.keep(1)
        assert not store.keep(2)
        store.add(row("b", 2))
        commit(store)
    assert names(tmp_path) == ["a", "b"]


def test_an_image_that_failed_before_it_was_measured_has_the_row_that_was_measured(tmp_path):
    for error in ("broken", None):
        with open_store(tmp_path) as store:
            store.add(row("a", 1, error=error))
    with open_store(tmp_path) as store:
        assert store.keep(1)
        commit(store)
    assert names(tmp_path, "error") == [None]


def test_a_kill_between_the_new_catalogue_and_the_removal_of_its_parts_does_no_harm(tmp_path, monkeypatch):
    with open_store(tmp_path) as store:
        store.add(row("a", 1))
        with monkeypatch.context() as patch:
            patch.setattr("shutil.rmtree", lambda _: None)
            commit(store)
    with open_store(tmp_path) as store:
        assert store.keep(1)
        commit(store)
    assert names(tmp_path) == ["a"]


def test_an_image_that_is_named_twice_has_one_row(tmp_path):
    with open_store(tmp_path) as store:
        for fingerprint in (1, 1, 0, 0):
            store.add(row(f"name{fingerprint}", fingerprint))
        commit(store)
    assert names(tmp_path) == ["name0", "name1"]


def test_two_surveys_into_one_folder_are_refused(tmp_path):
    with open_store(tmp_path), pytest.raises(OptionError, match="another survey"), open_store(tmp_path):
        pass
    with open_store(tmp_path):
        pass


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("kv_metadata {limpid_catalogue: '99'}", "has format 99, this limpid reads 1"),
        ("format parquet", "no catalogue"),
    ],
)
def test_a_catalogue_of_another_version_is_refused(tmp_path, options, says):
    path = tmp_path / CATALOGUE
    duckdb.connect().execute(f"copy (select 1 as uri) to '{path}' ({options})")
    with pytest.raises(OptionError, match=says), open_store(tmp_path):
        pass
    with pytest.raises(OptionError, match=says):
        ask(tmp_path, "select 1")
    path.write_bytes(b"torn")
    with pytest.raises(OptionError, match="damaged"), open_store(tmp_path):
        pass


@pytest.mark.parametrize(
    "question",
    [
        "copy (select 1) to '{folder}/catalogue.parquet'",
        "create table catalogue as select 1",
        "select 1; select 2",
        "",
        "select * from read_text('{folder}/secret.txt')",
        "select * from read_csv('{folder}/secret.txt')",
        "select nothing_of_the_kind from catalogue",
        "set enable_external_access = true",
    ],
)
def test_a_question_changes_nothing_and_reads_nothing_else(tmp_path, question):
    (tmp_path / "secret.txt").write_text("secret")
    with open_store(tmp_path) as store:
        store.add(row("a"))
        commit(store)
    before = store.path.read_bytes()
    with pytest.raises(OptionError):
        ask(tmp_path, question.format(folder=tmp_path))
    assert store.path.read_bytes() == before


def test_a_question_without_a_catalogue_says_how_to_make_one(tmp_path):
    with pytest.raises(OptionError, match="limpid survey COLLECTION -o"):
        ask(tmp_path, "select 1")
