"""What both exports ask of a book: what it says of itself, and its boxes."""

from __future__ import annotations

from rarecorrect.detectors import IntervalDetector
from rarecorrect.explain.sentences import box_of
from rarecorrect.promise import certificate_lines
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook


def comments(book: RuleBook) -> list[str]:
    """Certificates in force, and rules that end by themselves, one line each."""
    if not book.certified:
        return ["nothing is certified, every legacy answer is kept"]
    found = certificate_lines(book)
    found += [f"{r.name}: expires {r.expires}" for r in book.active if r.expires]
    return [" ".join(line.split()) for line in found]


def box_in(language: str, rule: Rule) -> IntervalDetector:
    """The box that a rule which is not linear must be, to be written in a language."""
    box = box_of(rule)
    if box is None:
        raise ValueError(
            f"rule {rule.name!r} is a {type(rule.detector).__name__}: only linear "
            f"rules and boxes can be written in {language}; fit with detector=None, "
            "LogisticDetector() or IntervalDetector(), or disable the rule"
        )
    return box
