"""The commands ``rarecorrect rules``: the rule book of a saved corrector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rarecorrect import clock
from rarecorrect._tables import check_column, read_table, rows_for
from rarecorrect._terminal import (
    Refused,
    cell,
    plainly,
    print_aligned,
    print_json,
    print_table,
    printable,
    warn,
)
from rarecorrect.book_file import BookFile
from rarecorrect.files import load, save
from rarecorrect.fit_report import FitReport
from rarecorrect.promise import certificate_lines
from rarecorrect.readable import sentences
from rarecorrect.rule import STATES, Rule
from rarecorrect.rule_evidence import rule_line
from rarecorrect.rulebook import RuleBook

_PATH = click.Path(path_type=Path)
_MOST_WEIGHTS = 10

_file = click.argument("file", type=_PATH)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_out = click.option("--out", type=_PATH, help="Write there, and leave FILE as it is.")
_author = click.option("--author", default="", help="Who does it, for the history.")


@click.group()
def rules() -> None:
    """Read and edit the rule book of a saved corrector.

    Only `add` needs the legacy model.  FILE is replaced in one step, and what has
    changed is printed.
    """


@rules.command("list")
@_file
@_json
def list_(file: Path, as_json: bool) -> None:
    """All rules, and what is certified for them together."""
    with plainly():
        report = BookFile.open(file).report
        found = [_row(rule) for rule in report.book]
        promised = certificate_lines(report.book) if report.book.certified else []
        missing = report.shortcoming()
        if as_json:
            told = {"certificates": promised, "not_certified": missing}
            print_json({"rules": found, **told})
            return
        if found:
            print_table(found)
        for text in promised:
            click.echo(printable(f"certificate: {text}"))
        _warn_of(missing)


@rules.command()
@_file
@click.argument("name")
@_json
def show(file: Path, name: str, as_json: bool) -> None:
    """All about one rule: what it does, on what evidence, by whom."""
    with plainly():
        report = BookFile.open(file).report
        record = _about(report.book[name], report)
        if as_json:
            print_json(record)
            return
        print_aligned([(cell(name), cell(part)) for name, part in _lines(record)])


@rules.command()
@_file
@_json
def history(file: Path, as_json: bool) -> None:
    """What was done to the book, when and by whom."""
    with plainly():
        events = BookFile.open(file).book.history
        if as_json:
            print_json([asdict(event) for event in events])
            return
        for event in events:
            click.echo(printable(str(event)))


@rules.command()
@_file
@click.argument("other", type=_PATH)
@_json
def diff(file: Path, other: Path, as_json: bool) -> None:
    """What changes if the book of OTHER takes the place of that of FILE."""
    with plainly():
        found = BookFile.open(file).book.diff(BookFile.open(other).book)
        if as_json:
            print_json(found.to_dict())
            return
        _print_lines(found)


@rules.command()
@_file
@click.option(
    "--data", type=_PATH, required=True, help="Parquet or CSV: rows it gets wrong."
)
@click.option("--label", metavar="COLUMN", required=True, help="The true labels.")
@click.option("--name", default="", help='Of the rule; default: "to LABEL".')
@click.option("--note", default="", help="Why, for whoever reads it later.")
@click.option("--state", type=click.Choice(STATES), default="active", show_default=True)
@_author
@_out
def add(file: Path, data: Path, label: str, out: Path | None, **words: str) -> None:
    """Learn one rule from a few errors with one true label, and certify again.

    FILE must hold the legacy model and the background: save it with_estimator and
    with_background.
    """
    with plainly():
        corrector = load(file)
        table = read_table(data, "--data")
        check_column(table, label, "--label")
        rows = rows_for(corrector, table, label)
        made = corrector.add(rows, table[label].to_numpy(), **words)
        # it learnt from them, so both were in the file
        save(made, out or file, with_estimator=True, with_background=True)
        _print_lines(corrector.rules_.diff(made.rules_))


@rules.command()
@_file
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Back to the legacy model.")
@_author
@_out
def disable(
    file: Path, name: str | None, everything: bool, author: str, out: Path | None
) -> None:
    """Take one rule out of service, or all of them; the certificate stays."""
    if everything == (name is not None):
        raise Refused("name one rule, or say --all")
    _edit(
        file,
        out,
        lambda book: (
            book.disable_all(author=author)
            if name is None
            else book.with_state(name, "retired", author=author)
        ),
    )


@rules.command()
@_file
@click.argument("name")
@click.option("--by", required=True, help="Who approves; not the author of the rule.")
@_out
def approve(file: Path, name: str, by: str, out: Path | None) -> None:
    """Put a draft or shadow rule into service: four eyes saw it."""
    _edit(file, out, lambda book: book.approve(name, by=by))


@rules.command()
@_file
@click.argument("name")
@click.argument("date")
@_author
@_out
def expire(file: Path, name: str, date: str, author: str, out: Path | None) -> None:
    """Let a rule retire by itself after DATE, like 2026-12-31, or never."""
    day = "" if date == "never" else date
    _edit(file, out, lambda book: book.with_expiry(name, day, author=author))


@rules.command()
@_file
@_out
def undo(file: Path, out: Path | None) -> None:
    """Take the last version back; what was spent on it stays spent.

    FILE does not keep it: there is no redo.
    """
    _edit(file, out, RuleBook.undo)


def _edit(file: Path, out: Path | None, verb: Callable[[RuleBook], RuleBook]) -> None:
    with plainly():
        old = BookFile.open(file)
        new = old.save(verb(old.book), out or file)
        _print_lines(old.book.diff(new.book))
        _warn_of(new.report.shortcoming())


def _print_lines(text: Any) -> None:
    for line in str(text).splitlines():
        click.echo(printable(line))


def _warn_of(missing: str) -> None:
    if missing:
        warn(f"not certified, the legacy answer is kept: {missing}")


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "action": rule.action,
        "to": rule.to,
        "state": rule.state_on(clock.today()),
        "errors": rule.n_errors,
        "author": rule.author,
        "approver": rule.approver,
        "expires": rule.expires,
    }


def _about(rule: Rule, report: FitReport) -> dict[str, Any]:
    """All about a rule; what it does in words, or by its largest weights."""
    told = sentences(rule, report.book, report.feature_names, per=report.per)
    return {
        **_row(rule),
        "from": rule.from_labels,
        "note": rule.note,
        "created": rule.created,
        "right_decisions": rule.n_background,
        "case_ids": rule.case_ids,
        "evidence": rule_line(rule, report.book),
        "digest": rule.digest,
        "thresholds": [_threshold(rule, report.book, s) for s in report.book.strata],
        "conditions": told,
        "weights": {} if told else _largest_weights(rule, report.feature_names),
    }


def _threshold(rule: Rule, book: RuleBook, stratum: Any) -> dict[str, Any]:
    score = max(book.threshold(stratum), rule.worth)  # below that it is mute
    if book.value is not None:  # the raw threshold differs from row to row
        return {"of": stratum, "score": book.threshold(stratum), "raw_score": None}
    return {"of": stratum, "score": score, "raw_score": rule.raw_threshold(score)}


def _largest_weights(rule: Rule, names: Sequence[str]) -> dict[str, float]:
    """Of a linear rule, by feature: what one unit more adds to the raw score."""
    weights = () if rule.coef is None else rule.coef.tolist()
    pairs = zip(names, weights, strict=rule.coef is not None)
    return dict(sorted(pairs, key=lambda pair: -abs(pair[1]))[:_MOST_WEIGHTS])


def _lines(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The same record, one line each."""
    lists = ("thresholds", "conditions", "weights")
    for name, part in record.items():
        if name not in lists:
            yield name.replace("_", " "), "any label" if part is None else part
    for one in record["thresholds"]:
        where = "" if one["of"] is None else f" of {one['of']}"
        raw = one["raw_score"]
        words = "log of the amount included" if raw is None else f"raw score {raw:.4g}"
        numbers = f"{one['score']:.4g} ({words})"
        off = "off, the legacy answer is kept"
        yield f"threshold{where}", numbers if one["score"] < math.inf else off
    yield from (("condition", text) for text in record["conditions"])
    for name, weight in record["weights"].items():
        yield f"weight of {name}", f"{weight:+.4g}"
