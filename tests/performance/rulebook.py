"""Time to learn one rule more, and to certify the book again on rows at hand.

Usage: python tests/performance/rulebook.py [--rules N] [--features P] [--rows N]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect.background import Background, Reservoir
from rarecorrect.calibration import Terms
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rulebook import RuleBook


def milliseconds(work: Callable[[], Any], repeats: int = 15) -> str:
    """Median of some runs, and the slowest."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(found):6.1f} ms  (slowest {max(found):.1f})"


def book_of(n_rules: int, n_features: int, n_rows: int) -> RuleBook:
    """A certified book of rules, each learnt from one error, and what it keeps."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((20_000 + n_rows, n_features))
    labels = rng.integers(0, 5, size=len(Z))
    rows = np.arange(len(Z))
    kept = Reservoir.from_rows(Z, labels, rows[20_000:])
    background = Background.from_rows(Z, labels, rows[:20_000], reservoir=kept)
    book = RuleBook(background=background)
    for i in range(n_rules):
        error = rng.standard_normal((1, n_features)) + 1
        book = book.add(error, [5 + i % 3], legacy_labels=[i % 5])
    return book


def certified(book: RuleBook, terms: Terms) -> LedgerEntry:
    """An entry from the rows at hand."""
    assert book.background is not None
    assert book.background.reservoir is not None
    return terms.entry_again(book, book.background.reservoir)


def main() -> None:
    """Measure with one thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    terms = Terms.checked(max_damage=0.01)
    with threadpool_limits(1):
        book = book_of(options.rules, options.features, options.rows)
        book = book.certified_by(certified(book, terms))
        errors = np.random.default_rng(1).standard_normal((20, options.features)) + 1

        def add(n: int) -> RuleBook:
            return book.add(errors[:n], [9] * n, legacy_labels=[0] * n)

        more = add(1)
        print(f"rules x features            {len(book)} x {options.features}")
        print(f"add a rule for one error    {milliseconds(lambda: add(1))}")
        print(f"add a rule for 20 errors    {milliseconds(lambda: add(20))}")
        again = milliseconds(lambda: certified(more, terms))
        print(f"certify on {options.rows:,} rows     {again}")
        print(f"retire a rule               {milliseconds(book.disable_all)}")
        print(f"undo                        {milliseconds(book.undo)}")


if __name__ == "__main__":
    main()
