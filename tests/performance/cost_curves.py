"""Cost curves: what grows with rows, features, rules and errors, beside a yardstick.

Usage: python tests/performance/cost_curves.py [--table FILE] [--figure FILE]

CPU seconds of one thread, the least of some runs in turn; every cost is a ratio to
something measured in the same turns. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from rarecorrect import ErrorCorrector, FisherDetector, NotCertifiedWarning
from rarecorrect.certify import certified_threshold
from rarecorrect.decisions import above_raw_threshold
from rarecorrect.rule import Rule
from rarecorrect.tail_scale import TailScale

Work = Callable[[], object]

AXES = {
    "rows": (2_000, 10_000, 50_000, 250_000),
    "features": (8, 32, 128, 512),
    "rules": (1, 4, 16, 64),
    "errors": (64, 250, 1_000, 4_000),
}
# what each may grow with
COSTS = {
    "FisherDetector.fit / Z.T @ Z": {"rows", "features", "errors"},
    "rows that rules change / Z @ W": {"rows", "features", "rules"},
    "certified_threshold / sort": {"rows"},
    "ErrorCorrector.fit / LogisticRegression.fit": set(AXES),
    "corrected predict / LogisticRegression.predict": set(AXES),
}
FIT, DECIDE, CERTIFY, LEARN, PREDICT = COSTS
_SECONDS = 2.0  # for the turns of one cost
_MOST_TURNS = 15


@dataclass(frozen=True)
class Size:
    """Of a correction; one thing grows at a time."""

    rows: int = 50_000
    features: int = 64
    rules: int = 16
    errors: int = 1_000


def in_turn(work: Work, beside: Work) -> float:
    """Ratio of the least CPU seconds of both, measured in turn."""
    found: list[list[float]] = []
    until = time.perf_counter() + _SECONDS
    while len(found) < 2 or (len(found) < _MOST_TURNS and time.perf_counter() < until):
        turn = []
        for each in (work, beside):
            start = time.process_time()
            each()
            turn.append(time.process_time() - start)
        found.append(turn)
    least = np.min(found, axis=0)
    return float(least[0] / least[1])


def of_products(size: Size) -> Iterator[tuple[str, Work, Work]]:
    """The detector, the decisions and the certificate beside what they must compute."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((size.rows, size.features), dtype=np.float32)
    y = np.arange(size.rows) >= size.rows - size.errors
    yield FIT, lambda: FisherDetector().fit(Z, y), lambda: Z.T @ Z
    weights = rng.standard_normal((size.features, size.rules))
    scale = TailScale.from_scores(rng.standard_normal(5000) * np.sqrt(size.features))
    rules = [Rule(f"to {i}", i, None, scale, coef=w) for i, w in enumerate(weights.T)]
    single = weights.astype(np.float32)
    labels, limits = np.full(size.rows, -1), np.full(size.rows, 10.0)
    yield (
        DECIDE,
        lambda: above_raw_threshold(rules, Z, labels, limits),
        lambda: Z @ single,
    )
    scores = rng.standard_normal(size.rows)
    yield CERTIFY, lambda: certified_threshold(scores, 0.01), lambda: np.sort(scores)


def of_systems(size: Size) -> Iterator[tuple[str, Work, Work]]:
    """A corrected model beside the model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((size.rows, size.features), dtype=np.float32)
    y = (X[:, 0] + 0.3 * rng.standard_normal(size.rows) > 0).astype(int)
    model = LogisticRegression().fit(X[: size.rows // 4], y[: size.rows // 4])
    plain = y.copy()
    new = np.array_split(rng.permutation(size.rows)[: size.errors], size.rules)
    for i, some in enumerate(new):
        y[some], X[some, i % size.features] = 2 + i, 6.0
    corrector = ErrorCorrector(
        model, features="input", random_state=0, confusions=[*range(2, 2 + size.rules)]
    )
    yield (
        LEARN,
        lambda: corrector.fit(X, y),
        lambda: LogisticRegression().fit(X, plain),
    )
    # fitted by now
    yield PREDICT, lambda: corrector.predict(X), lambda: model.predict(X)


def measured() -> Iterator[tuple[str, int, dict[str, float]]]:
    """What grows, how far, and the costs there."""
    for axis, points in AXES.items():
        for point in points:
            size = replace(Size(), **{axis: point})
            if axis == "rows":  # as many errors as few rows allow
                size = replace(size, errors=min(size.errors, point // 10))
            costs = {
                name: in_turn(work, beside)
                for name, work, beside in chain(of_products(size), of_systems(size))
                if axis in COSTS[name]
            }
            yield axis, point, costs


def table_of(found: list[tuple[str, int, dict[str, float]]]) -> str:
    """Markdown, a line for each size."""
    lines = ["| | " + " | ".join(COSTS) + " |", "|---|" + "---|" * len(COSTS)]
    for axis, point, costs in found:
        numbers = " | ".join(
            f"{costs[name]:.2f}" if name in costs else "" for name in COSTS
        )
        lines.append(f"| {point:,} {axis if point > 1 else axis[:-1]} | {numbers} |")
    return "\n".join(lines) + "\n"


def draw(found: list[tuple[str, int, dict[str, float]]], path: Path) -> None:
    """A panel for each thing that grows."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    style = {"svg.fonttype": "none", "svg.hashsalt": "rarecorrect", "font.size": 8}
    with plt.rc_context(style):
        figure, panels = plt.subplots(1, len(AXES), figsize=(9, 3), sharey=True)
        for panel, axis in zip(panels, AXES, strict=True):
            here = [(point, costs) for name, point, costs in found if name == axis]
            points = [point for point, _ in here]
            for name, marker in zip(COSTS, "os^Dv", strict=True):
                # nothing for a cost that does not grow with this, but its colour
                values = [costs.get(name, np.nan) for _, costs in here]
                panel.plot(points, values, marker=marker, markersize=3, label=name)
            panel.axhline(1, color="0.6", linewidth=0.8)
            panel.set(xscale="log", yscale="log", xlabel=axis)
            panel.grid(color="0.9", linewidth=0.5)
            panel.minorticks_off()
            panel.set_xticks(points, [f"{point:,}" for point in points])
        panels[0].set_ylabel("times the yardstick")
        ticks = [1, 2, 5, 10, 20, 50, 100]
        panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="upper center", ncols=3, frameon=False)
        figure.tight_layout(rect=(0, 0, 1, 0.85))
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, help="Markdown file to write")
    parser.add_argument("--figure", type=Path, help="SVG file to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore", NotCertifiedWarning)  # of few rows
    found = []
    with threadpool_limits(1):
        for axis, point, costs in measured():
            found.append((axis, point, costs))
            print(axis, point, {name: round(cost, 2) for name, cost in costs.items()})
    print(table_of(found))
    if options.table:
        options.table.write_text(table_of(found))
    if options.figure:
        draw(found, options.figure)


if __name__ == "__main__":
    main()
