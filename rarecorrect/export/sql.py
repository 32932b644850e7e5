"""Rules as one SELECT: for the warehouse, and for those who read SQL."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.detectors import IntervalDetector
from rarecorrect.export._book import box_in, comments
from rarecorrect.off_switch import refuse_while_disabled
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale


def to_sql(
    corrector: ErrorCorrector,
    *,
    table: str,
    label: str,
    columns: Mapping[Any, str] | None = None,
    segment: str | None = None,
) -> str:
    """Write the rules in force as a SELECT in standard SQL.

    A row with a missing or infinite feature, or without a legacy label, keeps the
    legacy answer.

    Parameters
    ----------
    corrector : ErrorCorrector
        Fitted; its rules must be linear or boxes.
    table : str
        Table of the cases, quoted where it needs to be.
    label : str
        Column of the legacy label.
    columns : mapping from feature to str, optional
        SQL expressions for features that are no columns of the table by the same name:
        ``{"logits of fraud": "ln(score / (1 - score))"}``.
    segment : str, optional
        Column of the segment, with ``per="segment"``.

    Returns
    -------
    str
        A query that gives all columns of the table, and beside them
        ``corrected_label``; ``rule``: name of the rule that changed or flagged the
        case, or NULL; ``flagged``: whether the legacy label was kept for review.

    Raises
    ------
    ValueError
        For a rule that is neither linear nor a box, features without a column, two
        boxes for different labels, whose scores SQL cannot compare, scores that hold
        amounts (``value``), and while ``RARECORRECT_DISABLE`` is set.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(50, 10, size=(1000, 1)), np.repeat([1, 0], [20, 980])
    >>> X[:20] += 60
    >>> model = DummyClassifier().fit([[0.0]], [0])
    >>> corrector = ErrorCorrector(model, features="input", random_state=0).fit(X, y)
    >>> names = {"x0": "amount"}
    >>> print(to_sql(corrector, table="payments", label="said", columns=names))
    ... # doctest: +ELLIPSIS
    -- rarecorrect: to 1
    -- changes at most 1 % of right decisions (96 % confidence, 490 rows, 0 above)
    SELECT decided.*,
      CASE rule WHEN 'to 1' THEN 1 ELSE "said" END AS corrected_label,
      FALSE AS flagged
    FROM (
      SELECT cases.*,
        CASE WHEN 0 * ((amount)) = 0 THEN CASE
          WHEN "said" <> 1 AND (-8.278...e0 + 0.1047...e0 * (amount) > 0.1728...e0)
            THEN 'to 1'
        END END AS rule
      FROM payments AS cases
    ) AS decided
    """
    refuse_while_disabled("a query")
    book = corrector.rules_
    if book.value is not None:
        amount = corrector.features_.names_[book.value]
        raise ValueError(
            f"value={str(amount)!r} is in every score, so the threshold of a rule "
            "differs from row to row, and that is not written in SQL: fit without it"
        )
    names = list(corrector.features_.names_)
    known = _expressions(corrector, names, columns or {})
    if corrector.per == "segment" and segment is None:
        raise ValueError(
            "thresholds differ by segment: name the column of the segment, segment="
        )
    stratum = {"class": _quoted(label), "segment": _quoted(segment or "")}.get(
        corrector.per or ""
    )
    rules = [
        _Spoken.of(rule, book, known, stratum, _quoted(label))
        for rule in (book.active if book.certified else ())
    ]
    _refuse_boxes_that_compete(rules)
    return _query(book, rules, known, table, _quoted(label))


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A rule in SQL.

    Attributes
    ----------
    rule : Rule
    score : str
        On the common scale where it fires; empty for a box.
    fires : str
    """

    rule: Rule
    score: str
    fires: str

    @classmethod
    def of(
        cls,
        rule: Rule,
        book: RuleBook,
        known: Sequence[str],
        stratum: str | None,
        label: str,
    ) -> _Spoken:
        limits = {s: max(limit, rule.worth) for s, limit in _thresholds(book).items()}
        effective = [_effective(rule, label)]
        score = ""
        if rule.coef is not None:
            raw = _linear(rule.coef, rule.intercept, known)
            score = _on_scale(rule, raw, min(limits.values()))
            inside = {
                s: f"{raw} > {_number(rule.raw_threshold(t))}"
                for s, t in limits.items()
            }
        else:
            box = box_in("SQL", rule)
            inside = {
                s: _inside(box, rule.raw_threshold(t), known) for s, t in limits.items()
            }
        return cls(
            rule, score, " AND ".join([*effective, _by_stratum(inside, stratum)])
        )


def _effective(rule: Rule, label: str) -> str:
    """Where a rule may act; never where the label is NULL."""
    relabels = rule.action == "relabel"
    if rule.from_labels is None:
        return f"{label} <> {_literal(rule.to)}" if relabels else f"{label} IS NOT NULL"
    kept = [x for x in rule.from_labels if not (relabels and x == rule.to)]
    return f"{label} IN ({', '.join(map(_literal, kept))})" if kept else "FALSE"


def _thresholds(book: RuleBook) -> dict[Hashable, float]:
    """Threshold of every stratum that is certified; None: of all rows."""
    strata = [s for s in book.strata if s is not None] or [None]
    found = {s: book.threshold(s) for s in strata}
    return {s: t for s, t in found.items() if t < np.inf}


def _expressions(
    corrector: ErrorCorrector, names: list[str], columns: Mapping[Any, str]
) -> list[str]:
    """One SQL expression for each feature."""
    given = {str(name): text for name, text in columns.items()}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(
            f"columns names {unknown[0]!r}, which no rule reads; features are called "
            f"{', '.join(map(repr, names[:10]))}"
        )
    own = {str(name) for name in getattr(corrector, "feature_names_in_", ())}
    filled = corrector.features_.fills_missing_
    missing = [n for n in names if n not in given and (filled or n not in own)]
    if missing:
        raise ValueError(
            f"{len(missing)} features are no columns of the table, {missing[0]!r} is "
            "the first; give an SQL expression for each: "
            f"columns={{{missing[0]!r}: ...}}"
        )
    return [f"({given[n]})" if n in given else _quoted(n) for n in names]


def _refuse_boxes_that_compete(rules: Sequence[_Spoken]) -> None:
    labels = {(spoken.rule.to, spoken.rule.action) for spoken in rules}
    boxes = [spoken.rule.name for spoken in rules if not spoken.score]
    if boxes and len(labels) > 1:
        raise ValueError(
            f"rule {boxes[0]!r} is a box beside rules to other labels, and SQL cannot "
            "say which of them wins; disable one of them, or use linear rules"
        )


def _linear(coef: Any, intercept: float, known: Sequence[str]) -> str:
    terms = [f"{_number(w)} * {name}" for w, name in zip(coef, known, strict=True) if w]
    return " + ".join([_number(intercept), *terms])


def _on_scale(rule: Rule, raw: str, lowest: float) -> str:
    """Score on the common scale, right wherever the rule fires."""
    pieces = _pieces(rule.scale, rule.raw_threshold(lowest))
    *inner, last = [
        f"{_number(value + rule.log_share)} + {_number(slope)} * (({raw}) - "
        f"{_number(at)})"
        for at, value, slope in pieces
    ]
    ends = [at for at, _, _ in pieces[1:]]
    arms = " ".join(
        f"WHEN {raw} < {_number(end)} THEN {piece}"
        for end, piece in zip(ends, inner, strict=True)
    )
    return f"CASE {arms} ELSE {last} END" if arms else last


def _pieces(scale: TailScale, start: float) -> list[tuple[float, float, float]]:
    """Lines that the scale is made of from a score on: start, value, slope."""
    knots, values = scale.knots, scale.values
    found = [(float(knots[-1]), float(values[-1]), scale.slope_above)]
    for i in range(len(knots) - 2, -1, -1):
        if knots[i + 1] <= start:
            return found
        slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        found.insert(0, (float(knots[i]), float(values[i]), float(slope)))
    if knots[0] > start:
        found.insert(0, (float(knots[0]), float(values[0]), scale.slope_below))
    return found


def _inside(box: IntervalDetector, threshold: float, known: Sequence[str]) -> str:
    parts = [
        f"{known[bound.column]} {'>' if bound.above else '<'} {_number(bound.bound)}"
        for bound in box.conditions(threshold)
    ]
    return " AND ".join(parts) or "TRUE"


def _by_stratum(inside: Mapping[Hashable, str], stratum: str | None) -> str:
    if stratum is None:
        return f"({next(iter(inside.values()))})" if inside else "FALSE"
    arms = [f"({stratum} = {_literal(s)} AND {text})" for s, text in inside.items()]
    return f"({' OR '.join(arms)})" if arms else "FALSE"


def _query(
    book: RuleBook,
    rules: Sequence[_Spoken],
    known: Sequence[str],
    table: str,
    label: str,
) -> str:
    comment = "\n".join(f"-- {line}" for line in _comments(book))
    finite = f"0 * ({' + '.join(known)}) = 0"
    wins = "\n".join(
        f"      WHEN {_wins(i, rules)}\n        THEN {_literal(spoken.rule.name)}"
        for i, spoken in enumerate(rules)
    )
    rule = f"CASE WHEN {finite} THEN CASE\n{wins}\n    END END"
    answers = " ".join(
        f"WHEN {_literal(spoken.rule.name)} THEN {_literal(spoken.rule.to)}"
        for spoken in rules
        if spoken.rule.action == "relabel"
    )
    flags = ", ".join(
        _literal(spoken.rule.name) for spoken in rules if spoken.rule.action == "flag"
    )
    corrected = f"CASE rule {answers} ELSE {label} END" if answers else label
    flagged = f"COALESCE(rule IN ({flags}), FALSE)" if flags else "FALSE"
    return (
        f"{comment}\nSELECT decided.*,\n  {corrected} AS corrected_label,\n"
        f"  {flagged} AS flagged\nFROM (\n  SELECT cases.*,\n"
        f"    {rule if rules else 'CAST(NULL AS VARCHAR)'} AS rule\n"
        f"  FROM {table} AS cases\n) AS decided"
    )


def _comments(book: RuleBook) -> list[str]:
    """What the query is, for whoever finds it; a comment ends with its line."""
    names = ", ".join(rule.name for rule in book.active) or "no rules"
    return [" ".join(f"rarecorrect: {names}".split()), *comments(book)]


def _wins(i: int, rules: Sequence[_Spoken]) -> str:
    """Where a rule fires and no other one scores higher; ties go to the first."""
    mine = rules[i]
    others = [
        f"NOT ({other.fires} AND {other.score} {'>=' if j < i else '>'} {mine.score})"
        for j, other in enumerate(rules)
        if j != i and mine.score and other.score
    ]
    return " AND ".join([mine.fires, *others])


def _number(value: float) -> str:
    """A literal of double precision: without an exponent it would be a decimal."""
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"


def _literal(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return _number(float(value))
    return "'" + str(value).replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
