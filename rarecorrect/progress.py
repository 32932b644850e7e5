"""How far a long run is: bars on a terminal, silence in pipes."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress:
    """Told how far a run is; does nothing unless a subclass shows it.

    Examples
    --------
    >>> progress = Progress()
    >>> progress.task("correcting", 1)
    >>> progress.step("first draw")
    """

    def start(self, text: str) -> None:
        """Begin something without a known number of steps.

        Parameters
        ----------
        text : str
            What is done.
        """

    def task(self, name: str, steps: int) -> None:
        """Begin something of so many steps.

        Parameters
        ----------
        name : str
            What is done.
        steps : int
        """

    def step(self, text: str) -> None:
        """Finish a step.

        Parameters
        ----------
        text : str
            What was done.
        """


class ShownProgress(Progress):
    """Bars on standard error where that is a terminal.

    Examples
    --------
    >>> with ShownProgress() as progress:
    ...     progress.task("correcting", 1)
    ...     progress.step("first draw")
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._current = self._bars.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def start(self, text: str) -> None:
        """Begin something without a known number of steps.

        Parameters
        ----------
        text : str
        """
        self._bars.update(self._current, description=text)

    def task(self, name: str, steps: int) -> None:
        """Begin something of so many steps; its bar replaces the one before.

        Parameters
        ----------
        name : str
        steps : int
        """
        self._bars.remove_task(self._current)
        self._current = self._bars.add_task(name, total=steps)

    def step(self, text: str) -> None:
        """Finish a step.

        Parameters
        ----------
        text : str
        """
        self._bars.update(self._current, description=text, advance=1)
