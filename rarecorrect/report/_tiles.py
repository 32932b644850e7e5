"""The numbers at the top of the page: name, number and remark."""

from __future__ import annotations

import math

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.off_switch import is_disabled
from rarecorrect.outcome import Outcome
from rarecorrect.promise import percent, promised_damage
from rarecorrect.report._evidence import done, expected_gain, why_unknown
from rarecorrect.report._numbers import counted, points, share

Tile = tuple[str, str, str]

_NET = "right decisions: repaired less broken"
_REVIEW = "; what is sent to review keeps its answer"


def of_book(corrector: ErrorCorrector) -> list[Tile]:
    """What the corrector itself can tell."""
    book, report = corrector.rules_, corrector.report_
    in_force = book.certified and not is_disabled()
    return [
        _estimated(corrector),
        _promised(promised_damage(report), done(corrector)),
        (
            "Rules in force",
            f"{book.n_active if in_force else 0:,}",
            f"of {counted(len(book), 'rule')} in the book",
        ),
        (
            "Right before",
            share(report.legacy_accuracy),
            f"of {counted(report.n_unseen, 'case')} of the fit",
        ),
    ]


def of_cases(outcome: Outcome) -> list[Tile]:
    """What was seen."""
    what, n_wrong = done(outcome.corrector), int((~outcome.right).sum())
    total, answers = outcome.report.overall, outcome.answers.overall
    before, after = float(answers["accuracy_before"]), float(answers["accuracy_after"])
    mended = int((outcome.mended & outcome.changed).sum())
    promised = promised_damage(outcome.corrector.report_)
    said = "nothing promised"
    if not math.isnan(promised):
        said = f"promised: at most {percent(promised, 4)}"
    return [
        (
            f"Errors {what.replace('changed', 'repaired')}",
            share(mended / n_wrong, 1) if n_wrong else "-",
            f"{mended:,} of {counted(n_wrong, 'error')}",
        ),
        (
            f"Right decisions {what}",
            share(float(total["damage"])),
            f"{total['broken']:,} of {total['right_before']:,}; {said}",
        ),
        ("Net", f"{answers['net']:+,}", _NET + (_REVIEW if "review" in what else "")),
        (
            "Accuracy",
            share(after),
            f"{share(before)} before ({points(after - before)} points)",
        ),
    ]


def _estimated(corrector: ErrorCorrector) -> Tile:
    caught, whole = expected_gain(corrector)
    if not whole or not corrector.rules_.certified:
        return "Errors caught, as estimated", "-", why_unknown(corrector)
    remark = f"{caught:,} of {counted(whole, 'error')} left out of the learning"
    return "Errors caught, as estimated", share(caught / whole, 1), remark


def _promised(promised: float, what: str) -> Tile:
    name = f"Right decisions {what}"
    if math.isnan(promised):
        return name, "-", "no promise about right decisions"
    number = f"\N{LESS-THAN OR EQUAL TO} {percent(promised, 4)}"
    return name, number, "promised, for cases like those of the test"
