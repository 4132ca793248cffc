"""Rules that a collection has to keep, as a TOML file says them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limpid.catalog.columns import ASSIGNED, COLUMNS
from limpid.catalog.database import connect
from limpid.core.arguments import hint
from limpid.core.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

__all__ = ["MEASURES", "Check", "Rule", "check", "read_rules"]

#: What a rule may be about, by name: an aggregate over the images.
MEASURES: Final[Mapping[str, str]] = {
    "images": "count(*)",
    "failed_share": "avg((error is not null)::int)",
    "sigma_median": "median(sigma)",
    "sigma_p95": "quantile_cont(sigma, 0.95)",
    "sigma_most": "max(sigma)",
    "snr_db_median": "median(snr_db)",
    "sharpness_median": "median(sharpness)",
    "clipped_share_p95": "quantile_cont(clipped_share, 0.95)",
    "impulse_share_p95": "quantile_cont(impulse_share, 0.95)",
    "clean_share": "avg(list_contains(advice, 'clean')::int)",
    "jpeg_share": "avg(list_contains(advice, 'jpeg')::int)",
    "white_share": "avg(white::int)",
    "duplicate_share": "1 - count(distinct sha256) / count(sha256)",
    "cohorts": "count(distinct cohort)",
    "stray_share": "avg((cohort is null)::int) filter (error is null)",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One table of the file.

    Attributes
    ----------
    name : str
        Of the table.
    measure, sql : str or None
        One of them: a name among :data:`MEASURES`, or a query that gives one number.
    where : str or None
        A condition that images have to meet to count, in SQL; for `measure`.
    most, least : float or None
        Limits, one of them at least; both are kept by values that equal them.
    """

    name: str
    measure: str | None = None
    sql: str | None = None
    where: str | None = None
    most: float | None = None
    least: float | None = None

    @property
    def question(self) -> str:
        """The query that gives the number."""
        if self.sql is not None:
            return self.sql
        condition = "" if self.where is None else f" where {self.where}"
        return f"select {MEASURES[self.measure or '']} from catalogue{condition}"


@dataclass(frozen=True)
class Check:
    """What became of a rule.

    Attributes
    ----------
    rule : str
        Its name.
    value : float or None
        What was found; None where no image counted, which keeps no rule.
    most, least : float or None
        Limits.
    """

    rule: str
    value: float | None
    most: float | None
    least: float | None

    @property
    def passed(self) -> bool:
        """Whether the rule is kept."""
        if self.value is None:
            return False
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "passed": self.passed}


def read_rules(path: Path) -> list[Rule]:
    """Return the rules of a file, each checked as far as it can be without images.

    Raises
    ------
    ConfigError
        If it can't be read, holds no rule, or one with an unknown key, without a limit, or that is no query.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} can't be read as rules: {reason}.", source=str(path)) from error
    if not tables:
        raise ConfigError(f"{path} holds no rule; see docs/howto/survey.md for some.", source=str(path))
    empty = connect()
    columns = ", ".join(f'"{name}" {kind}' for name, kind in {**COLUMNS, **ASSIGNED}.items())
    empty.execute(f"create table catalogue ({columns})")
    rules = []
    for name, table in tables.items():
        try:
            rules.append(_rule(name, table))
            _value(empty, rules[-1])
        except ConfigError as error:
            raise ConfigError(f"{path}, rule {name}: {error}", source=str(path)) from error
    return rules


def check(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> list[Check]:
    """Return what becomes of rules in a catalogue.

    Raises
    ------
    ConfigError
        If the query of one fails on it.
    """
    return [Check(rule.name, _value(connection, rule), rule.most, rule.least) for rule in rules]


def _rule(name: str, table: Any) -> Rule:
    known = [field.name for field in fields(Rule) if field.name != "name"]
    if not isinstance(table, Mapping):
        raise ConfigError(f"a rule is a table, got {table!r}; write [{name}] and below it measure and most or least.")
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"no key {key!r}; {hint(key, known, otherwise='known keys: ')}")
        _check_kind(key, value)
    rule = Rule(name=name, **table)
    if (rule.measure is None) == (rule.sql is None):
        raise ConfigError("a rule has a measure or sql, one of them; give one.")
    if rule.measure is not None and rule.measure not in MEASURES:
        raise ConfigError(f"no measure {rule.measure!r}; {hint(rule.measure, MEASURES, otherwise='known measures: ')}")
    if rule.sql is not None and rule.where is not None:
        raise ConfigError("where goes with a measure; write the condition into sql.")
    if rule.most is None and rule.least is None:
        raise ConfigError("no limit; give most, least or both.")
    return rule


def _check_kind(key: str, value: Any) -> None:
    if key in ("most", "least"):
        if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
            raise ConfigError(f"{key} must be a number, got {value!r}.")
    elif not isinstance(value, str):
        raise ConfigError(f"{key} must be text, got {value!r}.")


def _value(connection: duckdb.DuckDBPyConnection, rule: Rule) -> float | None:
    import duckdb

    try:
        statements = connection.extract_statements(rule.question)
        if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
            raise ConfigError(f"no single query: {rule.question}")
        rows = connection.execute(statements[0]).fetchall()
    except duckdb.Error as error:
        raise ConfigError(f"DuckDB refuses it: {error}") from error
    if len(rows) > 1 or any(len(row) != 1 for row in rows):
        raise ConfigError(f"its query must give one number, got {len(rows)} rows: {rule.question}")
    value = rows[0][0] if rows else None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"its query must give a number, got {value!r}.") from error
