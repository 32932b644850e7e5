"""Rules as an ONNX graph: for services without Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.export._book import comments
from rarecorrect.export._graph import Graph, require_onnx
from rarecorrect.export._legacy import add_legacy_model
from rarecorrect.export._names import Names
from rarecorrect.export._scores import raw_scores, scaled
from rarecorrect.off_switch import refuse_while_disabled
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale
from rarecorrect.versions import installed_versions

_LIBRARIES = ("rarecorrect", "numpy", "scikit-learn", "onnx", "skl2onnx")


def to_onnx(corrector: ErrorCorrector, *, alone: bool = False) -> Any:
    """Write the rules in force as an ONNX graph, with the legacy model or without.

    Scores and thresholds are in double precision.  A row with a missing or infinite
    feature, a label or a segment that nothing was certified for, keep the legacy
    answer; an amount at stake (``value``) is in the graph as it is in the score.  The
    graph knows the rules of today: it does not end a rule that expires, nor does
    ``RARECORRECT_DISABLE`` switch it off.

    Parameters
    ----------
    corrector : ErrorCorrector
        Fitted; its rules must be linear or boxes.
    alone : bool, default=False
        ``False``: one graph from the columns to the corrected label; scikit-learn
        models only, as far as skl2onnx converts them to a graph that gives the same
        answers to the probe rows of `corrector`.  ``True``: the rules alone, beside a
        legacy model that runs elsewhere.

    Returns
    -------
    onnx.ModelProto
        Checked.  Inputs: ``X`` of shape (n_rows, n_columns), double; or, `alone`,
        ``features`` of shape (n_rows, n_features), double, in the order of
        ``corrector.features_.names_``, and ``label`` of shape (n_rows,), the legacy
        label.  With ``per="segment"`` also ``segment`` of shape (n_rows,).  Outputs, of
        shape (n_rows,): ``corrected_label``; ``rule``, name of the rule that changed or
        flagged the case, or ``""``; ``margin``, as in
        :meth:`~rarecorrect.ErrorCorrector.trace`; ``flagged``; and ``legacy_label``
        unless `alone`.  Its metadata hold version, rules, certificates and names of
        the features.

    Raises
    ------
    ImportError
        Without the extra ``rarecorrect[onnx]``.
    ValueError
        For a rule that is neither linear nor a box, labels or segments that are not all
        int, all str or all bool, a legacy model or features that cannot be converted,
        and while ``RARECORRECT_DISABLE`` is set.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
    >>> made = to_onnx(corrector)
    >>> from onnxruntime import InferenceSession
    >>> session = InferenceSession(made.SerializeToString())
    >>> (labels,) = session.run(["corrected_label"], {"X": X[2000:]})
    >>> bool((labels == corrector.predict(X[2000:])).all())
    True
    """
    require_onnx()
    refuse_while_disabled("a graph")
    graph, labels = Graph(), Names.of(_labels(corrector), "labels")
    n_features = len(corrector.features_.names_)
    if alone:
        features = graph.input("features", "double", n_features)
        label = labels.numbers(graph, graph.input("label", labels.kind))
    else:
        graph.input("X", "double", corrector.n_features_in_)
        label, features = add_legacy_model(graph, corrector, labels)
    book = corrector.rules_
    _Writer(graph, book, labels, features, n_features, label).write(corrector.per)
    if not alone:
        labels.give(graph, label, "legacy_label")
    return graph.model(_metadata(corrector))


def _labels(corrector: ErrorCorrector) -> list[Any]:
    """Labels of the model and of the rules, as Python values."""
    rules = corrector.rules_.active
    named = [np.asarray([*(rule.from_labels or ()), rule.to]) for rule in rules]
    return [x for labels in (corrector.classes_, *named) for x in labels.tolist()]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes what a book decides; `features` and `label` are tensors."""

    graph: Graph
    book: RuleBook
    labels: Names
    features: str
    n_features: int
    label: str

    def write(self, per: str | None) -> None:
        graph, rules = self.graph, self.book.active or (self._nothing(),)
        code = self.labels.places(graph, self.label)
        threshold = self._threshold(per, code)
        scores = self._scores(rules, code)
        best = graph.add("ReduceMax", scores, axes=[1], keepdims=0)
        # of several largest, the first: as `decide` has it
        winner = graph.add("ArgMax", scores, axis=1, keepdims=0)
        if self.book.value is not None:
            best = self._with_value(best, self.book.value)
        fires = graph.add("Greater", best, threshold)
        self._write_margin(best, threshold)
        names = self._of_winner([rule.name for rule in rules], winner)
        graph.add("Where", fires, names, graph.constant(""), result="rule")
        graph.output("rule", "string")
        flags = self._of_winner([rule.action == "flag" for rule in rules], winner)
        graph.add("And", fires, flags, result="flagged")
        graph.output("flagged", "bool")
        to = self.labels.constant(graph, [rule.to for rule in rules])
        changed = graph.add("And", fires, graph.add("Not", flags))
        corrected = graph.add(
            "Where", changed, graph.add("Gather", to, winner), self.label
        )
        self.labels.give(graph, corrected, "corrected_label")

    def _with_value(self, best: str, place: int) -> str:
        """The best score and the log of the amount at stake, where a rule speaks."""
        graph, nothing = self.graph, self.graph.constant(-np.inf)
        amount = graph.add("Gather", self.features, graph.constant(place), axis=1)
        positive = graph.add("Greater", amount, graph.constant(0.0))
        log = graph.add("Where", positive, graph.add("Log", amount), nothing)
        silent = graph.add("Equal", best, nothing)
        return graph.add("Where", silent, best, graph.add("Add", best, log))

    def _nothing(self) -> Rule:
        """A rule that speaks of no label, where there is none: a table needs one."""
        scale = TailScale.from_scores([0.0, 1.0])
        to, weights = self.labels.values[0], np.zeros(self.n_features)
        return Rule("", to, None, scale, from_labels=(), coef=weights)

    def _scores(self, rules: tuple[Rule, ...], code: str) -> str:
        """Scores on the common scale; minus infinity where a rule does not speak."""
        graph = self.graph
        raw = raw_scores(graph, self.features, rules)
        common = scaled(graph, raw, [rule.scale for rule in rules])
        shares = graph.constant([float(rule.log_share) for rule in rules])
        common = graph.add("Add", common, shares)
        worth = graph.constant([float(rule.worth) for rule in rules])
        speaks = graph.add("Greater", common, worth)
        speaks = graph.add("And", speaks, self._effective(rules, code))
        speaks = graph.add("And", speaks, self._finite())
        return graph.add("Where", speaks, common, graph.constant(-np.inf))

    def _effective(self, rules: tuple[Rule, ...], code: str) -> str:
        """Where rules may act; the last row of the table is of an unknown label."""
        known = np.array(self.labels.values)
        table = [np.append(r.effective(known), r.from_labels is None) for r in rules]
        return self.graph.add(
            "Gather", self.graph.constant(np.column_stack(table)), code
        )

    def _finite(self) -> str:
        graph = self.graph
        largest = graph.constant(np.finfo(float).max)
        # neither an infinity nor NaN is at most the largest number
        finite = graph.add("LessOrEqual", graph.add("Abs", self.features), largest)
        least = graph.add(
            "ReduceMin", graph.cast(finite, "int32"), axes=[1], keepdims=1
        )
        return graph.cast(least, "bool")

    def _threshold(self, per: str | None, code: str) -> str:
        if per is None:
            return self.graph.constant([self.book.threshold()])
        strata = self.labels
        # nothing is certified of an unknown stratum, unless it is of all rows
        if per == "segment":
            named = (s for s in self.book.strata if s is not None)
            strata = Names.of(named, "segments")
            segment = self.graph.input("segment", strata.kind)
            if not strata.values:
                return self.graph.constant([self.book.threshold(object())])
            code = strata.places(self.graph, strata.numbers(self.graph, segment))
        found = [self.book.threshold(s) for s in (*strata.values, object())]
        return self.graph.add("Gather", self.graph.constant(found), code)

    def _write_margin(self, best: str, threshold: str) -> None:
        graph, lowest = self.graph, self.graph.constant(-np.inf)
        silent = graph.add("Equal", best, lowest)
        margin = graph.add("Sub", best, threshold)
        graph.add("Where", silent, lowest, margin, result="margin")
        graph.output("margin", "double")

    def _of_winner(self, values: list[Any], winner: str) -> str:
        return self.graph.add("Gather", self.graph.constant(values), winner)


def _metadata(corrector: ErrorCorrector) -> dict[str, str]:
    """What a graph says of itself; lists are JSON."""
    book = corrector.rules_
    return {
        "versions": json.dumps(installed_versions(_LIBRARIES)),
        "rules": json.dumps([rule.name for rule in book.active]),
        "certificate": "\n".join(comments(book)),
        "features": json.dumps(list(map(str, corrector.features_.names_))),
    }
