"""What was learnt, promised and refused: what a corrector can tell by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rarecorrect import clock
from rarecorrect.certify import Certificate
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.off_switch import SWITCHED_OFF, is_disabled
from rarecorrect.promise import actions_of, deed
from rarecorrect.readable import sentences
from rarecorrect.report._numbers import counted
from rarecorrect.report._tables import Cell, Table, number, part, words
from rarecorrect.rule import Rule
from rarecorrect.rule_evidence import rule_gain, separability_verdict

_MOST_NAMED = 12


def status(corrector: ErrorCorrector) -> tuple[bool, str]:
    """Whether decisions are changed now, and in words."""
    book, missing = corrector.rules_, corrector.report_.shortcoming()
    if is_disabled():
        return False, SWITCHED_OFF
    if not book.certified:
        return False, (
            "Off: nothing is certified, so every answer is that of the model in "
            f"service. {_sentence(missing)}"
        ).strip()
    what = done(corrector)
    none = ", none is changed" if what == "sent to review" else ""
    said = (
        f"In force: {book.n_active:,} of {counted(len(book), 'rule')}; decisions are "
        f"{what}{none}."
    )
    return True, f"{said} Not everywhere: {missing}." if missing else said


def done(corrector: ErrorCorrector) -> str:
    """What rules in service do to a decision."""
    return deed(actions_of(corrector.rules_), flagged="sent to review")


def learnt(corrector: ErrorCorrector) -> list[tuple[str, str]]:
    """What was learnt, from what: names and values."""
    report, book = corrector.report_, corrector.rules_
    detectors = sorted({_detector(rule) for rule in book})
    found = [
        (
            "Model in service",
            f"{type(corrector.estimator_).__name__}, {report.legacy}",
        ),
        (
            "Learnt from",
            f"{counted(report.n_errors, 'error')} and "
            f"{counted(report.n_background, 'right decision')}",
        ),
        (
            "Tested on",
            f"{counted(report.n_calibration, 'right decision')} that taught nothing",
        ),
        ("What rules see", _listed(report.feature_names)),
    ]
    if book.value is not None:
        name = report.feature_names[book.value]
        found.append(("At stake", f"log({name}) is part of every score"))
    if detectors:
        found.append(("How errors are told", ", ".join(detectors)))
    if report.n_apart:
        found.append(("Not learnt from", counted(report.n_apart, "error")))
    return found


def readable_rules(corrector: ErrorCorrector) -> list[str]:
    """Rules that can be read aloud."""
    book, names = corrector.rules_, corrector.report_.feature_names
    per = corrector.report_.per
    return [s for rule in book for s in sentences(rule, book, names, per=per)]


def rules_table(
    corrector: ErrorCorrector, counts: dict[str, dict[str, int]] | None = None
) -> Table:
    """Rules with their evidence and states."""
    head = ["Rule", "Changes", "State", "Errors learnt from", "Left-out errors caught"]
    seen = ["changed", "repaired", "broken"]
    if any(rule.action == "flag" for rule in corrector.rules_):
        head[1] = "Changes or sends"
        seen.append("sent to review")
    if counts is not None:
        head += [f"{name.capitalize()} here" for name in seen]
    rows = []
    for rule in corrector.rules_:
        state = rule.state_on(clock.today())
        row = [
            words(rule.name),
            Cell(does := _does(rule), None, "short" if len(does) < 30 else ""),
            Cell(state, None, f"state {state}"),
            number(rule.n_errors),
            _left_out(rule, corrector),
        ]
        if counts is not None:
            mine = counts.get(rule.name, {})
            row += [number(mine.get(name, 0)) for name in seen]
        rows.append(row)
    note = (
        "Left-out errors: each was scored by a rule that had not seen it, at the cut "
        "in force; in brackets a nominal 95 % interval. An estimate, not a promise."
    )
    return Table("Rules and their evidence", head, rows, note)


def verdicts(corrector: ErrorCorrector) -> list[tuple[str, str]]:
    """Of every rule, whether its errors can be told from right decisions."""
    book = corrector.rules_
    unknown = f"not known: {why_unknown(corrector)}"
    return [(rule.name, separability_verdict(rule, book) or unknown) for rule in book]


def why_unknown(corrector: ErrorCorrector) -> str:
    """Why nothing can be said of errors left out."""
    if is_disabled():
        return "corrections are switched off"
    if not corrector.rules_.certified:
        return "nothing is certified"
    if corrector.rules_.value is not None:
        return "what was at stake in errors left out is not kept"
    return "no error was left out whose cut is known"


def refusals(corrector: ErrorCorrector) -> list[tuple[str, str]]:
    """What was refused, and why."""
    report = corrector.report_
    found = [(f"Rule {r.name}", _sentence(r.reason)) for r in report.refused]
    if report.shortcoming():
        found.append(("A certificate", _sentence(report.shortcoming())))
    held = (
        c for c in report.certificates if not c.certified and c.n_calibration
    )  # the others are told as a shortcoming
    found += [("A certificate", _sentence(str(c))) for c in held]
    return found


def certificates_table(corrector: ErrorCorrector) -> Table:
    """Certificates in force, with their numbers."""
    head = ["Of", "At most", "Confidence", "Tested on", "Above the cut", "Allowed"]
    head += ["Cut", "Budget used on average", "Fingerprint of the rows"]
    rows = [
        _certificate(found, entry.fingerprint)
        for entry in corrector.rules_.entries_in_force
        for found in entry.certificates.values()
    ]
    note = (
        "The exact rule of Wilks (1941), for any distribution. Allowed: so many tested "
        "units may lie above the cut."
    )
    return Table("The certificates in numbers", head, rows, note)


def _certificate(found: Certificate, fingerprint: str) -> list[Cell]:
    cut = found.threshold if found.certified else math.inf
    return [
        words(found.population),
        part(found.max_damage),
        part(found.confidence_level),
        Cell(f"{found.n_calibration:,} {found.unit}", found.n_calibration),
        number(found.n_exceeding),
        number(found.n_allowed),
        Cell("none" if math.isinf(cut) else f"{cut:.4g}", min(cut, 1e300)),
        part(found.budget_used),
        Cell(fingerprint[:16], None, "mono"),
    ]


def expected_gain(corrector: ErrorCorrector) -> tuple[int, int]:
    """Left-out errors that rules in service catch at the cut, and all of them."""
    book, caught, whole = corrector.rules_, 0, 0
    for rule in book.active:
        found = rule_gain(rule, book)
        if found is not None and not np.isnan(found[0]):
            caught += round(found[0] * rule.left_out.size)
            whole += rule.left_out.size
    return caught, whole


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{counted(len(names), 'feature')}: {shown}{more}"


def _does(rule: Rule) -> str:
    before = "any other" if rule.action == "relabel" else "any"
    if rule.from_labels is not None:
        before = " or ".join(map(str, rule.from_labels))
    after = f"{rule.to}" if rule.action == "relabel" else f"review as {rule.to}"
    return f"{before} \N{RIGHTWARDS ARROW} {after}"


def _left_out(rule: Rule, corrector: ErrorCorrector) -> Cell:
    found = rule_gain(rule, corrector.rules_)
    if found is None or math.isnan(found[0]):
        return Cell("not known", -1.0)
    gain, low, high = found
    ends = f"{100 * low:.0f} to {100 * high:.0f} %"
    return Cell(f"{100 * gain:.0f} % ({ends})", gain)


def _detector(rule: Rule) -> str:
    steps = getattr(rule.detector, "steps", [("", rule.detector)])
    return ", then ".join(type(step).__name__ for _, step in steps)


def _sentence(text: str) -> str:
    end = "" if text.endswith(".") or not text else "."
    return f"{text[:1].upper()}{text[1:]}{end}"
