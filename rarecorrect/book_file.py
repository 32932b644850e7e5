"""The rule book of a saved corrector, read and edited without its legacy model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from rarecorrect._files.archive import ARRAYS, pack, read_arrays
from rarecorrect._files.book import read_book, write_book
from rarecorrect._files.checks import is_a, require
from rarecorrect._files.corrector import FORMAT, read_threshold
from rarecorrect._files.forms import FORMS
from rarecorrect._files.whole import open_file, open_members, put, refusing, sealed
from rarecorrect._files.writing import Writer
from rarecorrect.fit_report import FitReport
from rarecorrect.rulebook import RuleBook

_Path = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class BookFile:
    """A saved corrector, opened for its rule book alone.

    Neither the legacy model nor any object that skops holds is made: they stay in the
    file as they are.

    Attributes
    ----------
    path : str
        Where it was read from.
    report : FitReport
        What was learnt, certified and refused, and the book: ``report.book``.
    manifest, members : dict
        The file as it is.
    threshold : float or None
        Of the legacy model that `load` must be given; None: it has none of its own, or
        the file is from before thresholds were kept.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from rarecorrect import ErrorCorrector, load, save
    >>> X, y = make_blobs(2000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> path = Path(mkdtemp()) / "fix.rarecorrect"
    >>> save(ErrorCorrector(model, random_state=0).fit(X[500:], y[500:]), path)

    Whoever has no model may still take its corrections out of service:

    >>> file = BookFile.open(path)
    >>> off = file.save(file.book.disable_all(author="ann"), path)
    >>> print(file.book.diff(off.book).states["to 2"])
    ('active', 'retired')
    >>> bool((load(path, estimator=model).predict(X) == model.predict(X)).all())
    True
    """

    path: str
    report: FitReport
    manifest: dict[str, Any] = field(repr=False)
    members: dict[str, Any] = field(repr=False)
    threshold: float | None = None

    @classmethod
    def open(cls, path: _Path) -> Self:
        """Read a file; every byte of it is checked, and every part that is read.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        BookFile

        Raises
        ------
        FileFormatError
            If the file is damaged, from a later version, or no file of this kind.
        """
        return cls._of(os.fspath(path), open_file(path))

    @property
    def book(self) -> RuleBook:
        """The rule book, with all its versions."""
        return self.report.book

    def save(self, book: RuleBook, path: _Path) -> Self:
        """Write the same file with another book, whole or not at all.

        Parameters
        ----------
        book : RuleBook
            Made of this one by a verb.  Budgets stay those of this one, also where an
            earlier version had others.
        path : str or path
            A file that is there is replaced in one step.

        Returns
        -------
        BookFile
            The new one.

        Raises
        ------
        ValueError
            If `book` cannot stand around the model of this file.
        """
        book = book.under(self.book.budgets, self.book.origin, self.book.value)
        report = self.report.under(book, self.report.terms, self.report.per)
        with refusing("the book cannot be stored", ValueError):
            members = self._with(book, report)
            made = self._of(os.fspath(path), members)
        put(Path(path), pack(members))
        return made

    @classmethod
    def _of(cls, path: str, members: dict[str, Any]) -> Self:
        with refusing(path):
            manifest, reader = open_members(members, trusted=None)
            names = manifest["features"]["names"]
            require(is_a(names, list[str]), "features.names are not as they should be")
            reader.n_features = len(names)
            book = read_book(manifest, reader)
            classes = reader.read(manifest["corrector"]["classes"], "classes").tolist()
            unknown = [rule.to for rule in book if rule.to not in classes]
            require(not unknown, f"rules give {unknown}, which are not among {classes}")
            report = reader.read(manifest["report"], "report")
            require(type(report) is FitReport, "the report is none")
            _, threshold = read_threshold(manifest, reader)
        return cls(path, replace(report, book=book), manifest, members, threshold)

    def _with(self, book: RuleBook, report: FitReport) -> dict[str, Any]:
        """Members of the file with another book and another report."""
        number = self.manifest["format"]
        require(number == FORMAT, f"the file has format {number}: load and save it")
        writer = Writer(FORMS)
        new = {
            "report": writer.write(report, "report"),
            **write_book(book, writer, with_background=True),  # where there is one
        }
        kept = {name: part for name, part in self.manifest.items() if name not in new}
        arrays = read_arrays(self.members[ARRAYS])
        arrays = {name: arrays[name] for name in _named(kept, "array", "name")}
        require(not arrays.keys() & writer.arrays.keys(), "its parts share arrays")
        manifest = {**kept, **new}
        packed = set(_named(manifest, "skops", "member"))
        return sealed(
            manifest,
            {**arrays, **writer.arrays},
            {name: data for name, data in self.members.items() if name in packed},
        )


def _named(stored: Any, kind: str, by: str) -> Iterator[str]:
    """Names of the arrays or members that a part of a manifest refers to."""
    if isinstance(stored, dict) and stored.get("is") == kind:
        yield stored[by]
    elif isinstance(stored, dict | list):
        for part in stored.values() if isinstance(stored, dict) else stored:
            yield from _named(part, kind, by)
