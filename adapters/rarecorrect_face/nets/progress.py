"""How far a training run is, shown where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from rarecorrect_face.nets.trained import Epoch


@contextmanager
def epoch_bar(total: int) -> Iterator[Callable[[Epoch], None]]:
    """A bar on a terminal's standard error; nothing in a pipe.

    Parameters
    ----------
    total : int
        Epochs of the run.

    Yields
    ------
    callable
        To be told every epoch that is finished.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, Remaining(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("training", total=total)

        def tell(epoch: Epoch) -> None:
            text = f"loss {epoch.loss:.3f}, held-out accuracy {epoch.accuracy:.3f}"
            bar.update(task, completed=epoch.number, description=text)

        yield tell
