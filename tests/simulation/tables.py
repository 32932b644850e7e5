"""Write the findings as tables, whole or not at all."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from simulation.trials import SIGNIFICANCE, Finding

INTRODUCTION = """\
# Simulated certificates

Made by `python {command}`.

A *violation* is a calibration sample whose threshold changes more than the share eps
of the population.  The certificate allows it in a share delta of all samples.  The
exact rule is sharper: for continuous scores the share lies between
P(Bin(n, eps) <= k-1) and P(Bin(n, eps) <= k).  "allowed" gives these two values (their
mean where n or k differ between samples; 0 and delta where no exact value is known);
each side is tested at {significance:g}.  "damage" is the mean share of the population
that is changed (for days: the mean probability that a day exceeds its cap).  With
ErrorCorrector, n is the number of rows or groups passed to `fit`, and a fifth of delta
is kept for edits.  Wrong ways are in the tables to show that the test finds them; they
say "fails, as it must".

{summary}
"""

COLUMNS = (
    "setting",
    "form",
    "n",
    "eps",
    "delta",
    "mean k",
    "violations",
    "share",
    "allowed",
    "damage",
    "p",
    "verdict",
)


def write_tables(found: list[Finding], folder: Path, command: str) -> None:
    """Write results.csv and results.md into `folder`, each replaced in one step."""
    texts = {
        "results.csv": as_frame(found).to_csv(index=False, lineterminator="\n"),
        "results.md": as_markdown(found, command),
    }
    with TemporaryDirectory(dir=folder) as new:
        for name, text in texts.items():
            (Path(new) / name).write_text(text, encoding="utf-8")
        for name in texts:
            os.replace(Path(new) / name, folder / name)


def as_frame(found: list[Finding]) -> pd.DataFrame:
    """One row for each finding, with all its numbers."""
    return pd.DataFrame(
        [
            {
                "scenario": f.scenario,
                "setting": f.setting,
                "form": f.form,
                "n": f.n,
                "max_damage": f.max_damage,
                "delta": f.delta,
                "mean_n_allowed": round(f.mean_n_allowed, 4),
                "repetitions": f.repetitions,
                "violations": f.violations,
                "share": round(f.share, 6),
                "allowed_lowest": round(f.lowest, 6),
                "allowed_highest": round(f.highest, 6),
                "mean_damage": round(f.mean_damage, 6),
                "p_value": float(f"{f.p_value:.3g}"),
                "verdict": f.verdict,
            }
            for f in found
        ]
    )


def as_markdown(found: list[Finding], command: str) -> str:
    """A table for each scenario."""
    bad = [f for f in found if not f.as_expected]
    right = [f for f in found if not f.must_fail]
    summary = (
        f"{found[0].repetitions:,} samples a line.  Of {len(right)} lines that must "
        f"hold, {sum(f.as_expected for f in right)} do; of {len(found) - len(right)} "
        "wrong ways, "
        f"{sum(f.rejected for f in found if f.must_fail)} are found out."
    )
    summary += "".join(f"\n\n**Not as it must be:** {f}" for f in bad)
    text = INTRODUCTION.format(
        command=command, significance=SIGNIFICANCE, summary=summary
    )
    for scenario, lines in groupby(found, key=lambda f: f.scenario):
        text += f"\n## {scenario}\n\n| {' | '.join(COLUMNS)} |\n"
        text += f"|{'---|' * len(COLUMNS)}\n"
        text += "".join(f"| {' | '.join(_cells(f))} |\n" for f in lines)
    return text


def _cells(f: Finding) -> list[str]:
    allowed = f"{f.lowest:.4f}"
    if f.highest != f.lowest:
        allowed += f" - {f.highest:.4f}"
    return [
        f.setting,
        f.form,
        f"{f.n}",
        f"{f.max_damage:g}",
        f"{f.delta:g}",
        f"{f.mean_n_allowed:.4g}",
        f"{f.violations}",
        f"{f.share:.4f}",
        allowed,
        f"{f.mean_damage:.4f}",
        f"{f.p_value:.1e}",
        f.verdict,
    ]
