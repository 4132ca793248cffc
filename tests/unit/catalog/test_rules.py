"""Rules that a collection has to keep."""

import duckdb
import pytest

from limpid.catalog.columns import ASSIGNED, COLUMNS
from limpid.catalog.rules import MEASURES, check, read_rules
from limpid.core.errors import ConfigError


@pytest.fixture
def catalogue():
    connection = duckdb.connect()
    columns = {**COLUMNS, **ASSIGNED}
    connection.execute(f"create table catalogue ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    for number in range(10):
        error = "broken" if number == 0 else None
        connection.execute(
            "insert into catalogue (uri, folder, sigma, error, sha256) values (?, ?, ?, ?, ?)",
            [f"{number}", "a" if number < 5 else "b", None if error else float(number), error, f"{number // 2}"],
        )
    return connection


@pytest.fixture
def rules(tmp_path):
    def write(text):
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return read_rules(path)

    return write


@pytest.mark.parametrize(
    ("text", "value", "passed"),
    [
        ('measure = "failed_share"\nmost = 0.1', 0.1, True),
        ('measure = "failed_share"\nmost = 0.09', 0.1, False),
        ('measure = "sigma_median"\nleast = 5', 5, True),
        ('measure = "sigma_median"\nleast = 5.1\nmost = 9', 5, False),
        ('measure = "sigma_most"\nwhere = "folder = \'a\'"\nmost = 4', 4, True),
        ('measure = "duplicate_share"\nmost = 0.4', 0.5, False),
        ('sql = "select count(*) from catalogue where sigma > 7"\nmost = 2', 2, True),
        ('measure = "sigma_most"\nwhere = "folder = \'typing error\'"\nmost = 4', None, False),
    ],
)
def test_a_rule_is_kept_within_its_limits(catalogue, rules, text, value, passed):
    (found,) = check(catalogue, rules(f"[one]\n{text}\n"))
    assert found.value == (None if value is None else pytest.approx(value))
    assert found.passed is passed
    assert found.to_dict()["rule"] == "one"


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_is_a_number_or_nothing(catalogue, rules, measure):
    (found,) = check(catalogue, rules(f'[one]\nmeasure = "{measure}"\nleast = 0\n'))
    assert found.value is None or found.value >= 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no rule"),
        ("[one]\nmesure = 'images'\nmost = 1", "no key 'mesure'; did you mean 'measure'"),
        ("[one]\nmeasure = 'sigma_meadian'\nmost = 1", "no measure 'sigma_meadian'; did you mean 'sigma_median'"),
        ("[one]\nmeasure = 'images'", "give most, least or both"),
        ("[one]\nmost = 1", "a measure or sql"),
        ("[one]\nmeasure = 'images'\nsql = 'select 1'\nmost = 1", "a measure or sql"),
        ("[one]\nsql = 'select 1'\nwhere = 'true'\nmost = 1", "where goes with a measure"),
        ("[one]\nmeasure = 'images'\nmost = '1'", "most must be a number, got '1'"),
        ("[one]\nmeasure = 'images'\nmost = nan", "most must be a number, got nan"),
        ("[one]\nmeasure = 3\nmost = 1", "measure must be text"),
        ("[one]\nmeasure = 'images'\nwhere = 'sygma > 1'\nmost = 1", "rule one: DuckDB refuses it: .*sygma"),
        ("[one]\nsql = 'drop table catalogue'\nmost = 1", "no single query"),
        ("[one]\nsql = 'select 1, 2'\nmost = 1", "must give one number"),
        ("[one]\nsql = \"select 'x'\"\nmost = 1", "must give a number, got 'x'"),
        ("one = 3", "a rule is a table"),
        ("[one", "can't be read as rules"),
    ],
)
def test_a_wrong_rule_is_refused_before_anything_is_measured(rules, text, says):
    with pytest.raises(ConfigError, match=says):
        rules(text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none.toml can't be read"):
        read_rules(tmp_path / "none.toml")
