"""Axes of matplotlib, which is imported when something is drawn and not before."""

from __future__ import annotations

from typing import Any

BLUE, RED, INK = "#1e63c4", "#c22f2f", "#1b2330"


def axes_for(ax: Any, display: Any) -> Any:
    """The axes to draw on: those given, or new ones."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib: "
            f"pip install 'rarecorrect[report]' ({error})"
        ) from error
    return plt.subplots()[1] if ax is None else ax


def in_percent(axis: Any, digits: int | None = None) -> None:
    """Write shares on an axis as percentages."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=digits))
