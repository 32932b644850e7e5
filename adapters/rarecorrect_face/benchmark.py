"""The whole benchmark on the tables of several networks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from rarecorrect.progress import Progress
from rarecorrect_face.case import make_case
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.files import as_file_name
from rarecorrect_face.methods import Method, available_methods
from rarecorrect_face.pictured import changed_faces, embedded_faces
from rarecorrect_face.plan import LEAVE_ONE_OUT, RARE, Plan
from rarecorrect_face.protocol import run_case, steps
from rarecorrect_face.result import CaseResult


class Source(NamedTuple):
    """Where the table of one network is, and what it is for.

    Attributes
    ----------
    path : Path
    target : str or None
        Class to correct; None: the network of all classes.
    """

    path: Path
    target: str | None


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkResult:
    """Figures and circumstances of a run.

    Attributes
    ----------
    cases : list of CaseResult
    plan : Plan
        Of the first seed.
    seeds : tuple of int
    notes : list of str
        What was left out, and why.
    seconds : float
    """

    cases: list[CaseResult]
    plan: Plan
    seeds: tuple[int, ...]
    notes: list[str]
    seconds: float


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """Tables in files and folders, with what each of them is for.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders with ``.npz`` files.

    Returns
    -------
    list of Source

    Raises
    ------
    ValueError
        If there is none, one does not know several of its classes, or two are for the
        same.
    FileNotFoundError
        If there is no such file.
    """
    files = [f for p in paths for f in (sorted(p.glob("*.npz")) if p.is_dir() else [p])]
    if not files:
        raise ValueError(f"no .npz file in {', '.join(map(str, paths)) or 'nothing'}")
    found = [Source(file, _target(file)) for file in files]
    targets = [source.target for source in found]
    for source in found:
        if targets.count(source.target) > 1:
            what = source.target or "all classes"
            raise ValueError(
                f"{targets.count(source.target)} tables are for {what}, one is needed; "
                f"the first is {source.path.name}"
            )
    return found


def run_benchmark(
    sources: Mapping[int, Sequence[Source]],
    plan: Plan,
    *,
    classes: Sequence[str] = (),
    methods: Mapping[str, Method] | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Run the protocol on every class.

    Parameters
    ----------
    sources : mapping of int to sequence of Source
        For every seed, tables of its networks.
    plan : Plan
    classes : sequence of str, default=()
        Classes to correct; empty: all that there is a table for.
    methods : mapping of str to callable, optional
        Default: all that this installation can run.
    checkpoints : Path, optional
        Folder that every finished class is written to.
    resume : bool, default=False
        Take finished classes from there, if they are of the same run.
    n_jobs : int, default=1
        Classes at once, at most.
    progress : Progress, optional

    Returns
    -------
    BenchmarkResult

    Raises
    ------
    ValueError
        If there is nothing to correct, or a class is not there.
    """
    begin, show = time.perf_counter(), progress or Progress()
    available, missing = available_methods()
    chosen = dict(methods or available)
    notes = [
        f"{name}: skipped, not installed (pip install 'rarecorrect[boosting]')"
        for name in (missing if methods is None else [])
    ]
    jobs: list[_Job] = []
    for seed, tables in sources.items():
        reference = next((s.path for s in tables if s.target is None), None)
        if reference is None:
            notes.append(f"seed {seed}: no table of a network of all classes")
        for source in _wanted(tables, plan, classes):
            name = f"seed-{seed}-{as_file_name(str(source.target))}.npz"
            file = checkpoints and checkpoints / name
            # a network is not its own reference
            other = None if reference == source.path else reference
            jobs.append(_Job(source, other, replace(plan, seed=seed), chosen, file))
    cases = _run_all(jobs, resume, n_jobs, show)
    seconds = time.perf_counter() - begin
    return BenchmarkResult(cases, plan, tuple(sources), notes, seconds)


class _Job(NamedTuple):
    """One class of one network."""

    source: Source
    reference: Path | None
    plan: Plan
    methods: Mapping[str, Method]
    checkpoint: Path | None

    def run(self, resume: bool, show: Progress) -> CaseResult:
        assert self.source.target is not None
        fingerprint = self._fingerprint()
        if resume and self.checkpoint is not None:
            found = CaseResult.load(self.checkpoint, fingerprint)
            if found is not None:
                show.start(f"{self.source.target}: from its checkpoint")
                return found
        show.start(f"reading {self.source.path.name}")
        # One thread inside a fit: on a shared machine two of them wait for each other.
        with threadpool_limits(1):
            result = self._run(self.source.target, show)
        if self.checkpoint is not None:
            result.save(self.checkpoint, fingerprint)
        return result

    def _run(self, target: str, show: Progress) -> CaseResult:
        table = FeatureTable.load(self.source.path)
        # the reference is let go before anything is fitted
        case = make_case(
            table,
            target,
            reference=FeatureTable.load(self.reference) if self.reference else None,
            layers=self.plan.layers,
        )
        show.task(target, steps(case, self.plan, self.methods))
        result = run_case(case, self.plan, self.methods, on_draw=show.step)
        faces, seed = (table, case, result.changed), self.plan.seed
        result.shown = changed_faces(*faces, seed=seed)
        result.embedded = embedded_faces(*faces, seed=seed)
        return result

    def _fingerprint(self) -> str:
        """Of the plan, the methods and the bytes of the tables."""
        texts = [self.plan.to_dict(), list(self.methods), self.source.target]
        found = blake2b(json.dumps(texts).encode(), digest_size=16)
        for path in (self.source.path, self.reference):
            found.update(b"" if path is None else path.read_bytes())
        return found.hexdigest()


def _run_all(
    jobs: Sequence[_Job], resume: bool, n_jobs: int, show: Progress
) -> list[CaseResult]:
    n_jobs = min(n_jobs, len(jobs))
    if n_jobs == 1:
        return [job.run(resume, show) for job in jobs]
    show.task(f"{len(jobs)} classes, {n_jobs} at once", len(jobs))
    several = Parallel(n_jobs, return_as="generator")
    found = []
    for result in several(delayed(job.run)(resume, Progress()) for job in jobs):
        found.append(result)
        show.step(result.label)
    return found


def _target(path: Path) -> str | None:
    table = FeatureTable.load(path)
    if table.target is not None:
        return table.target
    if len(table.unseen) > 1:
        raise ValueError(
            f"{path.name}: the network does not know {', '.join(table.unseen)}; say "
            "which of them to correct in an array 'target'"
        )
    return table.unseen[0] if table.unseen else None


def _wanted(
    tables: Sequence[Source], plan: Plan, classes: Sequence[str]
) -> list[Source]:
    """Tables with a class to correct, or under "rare" every class of the only one."""
    found = [source for source in tables if source.target is not None]
    if not found and plan.protocol == RARE:
        path = tables[0].path
        found = [Source(path, name) for name in FeatureTable.load(path).classes]
    if not found:
        raise ValueError(
            "every network knows all classes: pass a table of one that never saw a "
            f"class ({LEAVE_ONE_OUT}), or choose the protocol {RARE}"
        )
    known = [source.target for source in found]
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise ValueError(
            f"no table to correct {unknown[0]!r} with; there are some for "
            f"{', '.join(str(name) for name in known)}"
        )
    return [s for s in found if not classes or s.target in classes]
