"""Scores of rules as nodes of an ONNX graph, in double precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rarecorrect.export._book import box_in
from rarecorrect.export._graph import Graph
from rarecorrect.rule import Rule
from rarecorrect.tail_scale import TailScale


def raw_scores(graph: Graph, features: str, rules: Sequence[Rule]) -> str:
    """Score every row by every rule.

    Parameters
    ----------
    graph : Graph
    features : str
        Tensor of shape (n_rows, n_features), double.
    rules : sequence of Rule
        At least one.

    Returns
    -------
    str
        Tensor of shape (n_rows, n_rules), double.

    Raises
    ------
    ValueError
        For a rule that is neither linear nor a box.
    """
    linear = [i for i, rule in enumerate(rules) if rule.coef is not None]
    others = [i for i, rule in enumerate(rules) if rule.coef is None]
    tables = [_linear(graph, features, [rules[i] for i in linear])] if linear else []
    tables += [_box(graph, features, rules[i]) for i in others]
    order = np.argsort([*linear, *others])
    return graph.add("Gather", graph.beside(tables), graph.constant(order), axis=1)


def scaled(graph: Graph, scores: str, scales: Sequence[TailScale]) -> str:
    """Put every column on a scale of its own.

    The line that a score lies on is found by halving, all columns at once: that takes
    the memory of a few columns, however many knots the scales have.

    Parameters
    ----------
    graph : Graph
    scores : str
        Tensor of shape (n_rows, n_scales), double.
    scales : sequence of TailScale

    Returns
    -------
    str
        Tensor of the same shape.
    """
    n_steps = max(scale.knots.size for scale in scales).bit_length()
    lines = np.stack([_lines(scale, 2**n_steps) for scale in scales], axis=1)
    starts, at, value, slope = (graph.constant(table.ravel()) for table in lines)
    place = graph.constant(2**n_steps * np.arange(len(scales)))
    for step in 2 ** np.arange(n_steps)[::-1]:
        further = graph.add("Add", place, graph.constant(step))
        start = graph.add("Gather", starts, further)
        reached = graph.add("GreaterOrEqual", scores, start)
        place = graph.add("Where", reached, further, place)
    beyond = graph.add("Sub", scores, graph.add("Gather", at, place))
    rise = graph.add("Mul", beyond, graph.add("Gather", slope, place))
    return graph.add("Add", rise, graph.add("Gather", value, place))


def _lines(scale: TailScale, size: int) -> npt.NDArray[np.float64]:
    """Lines of a scale, rising: start, a point and its value, slope; filled up."""
    knots, values = scale.knots, scale.values
    inner = np.diff(values) / np.diff(knots)
    found = np.array(
        [
            [-np.inf, *knots],
            [knots[0], *knots],
            [values[0], *values],
            [scale.slope_below, *inner, scale.slope_above],
        ]
    )
    # an infinite score ends up in what fills, so that is the last line again
    filling = np.repeat(found[:, -1:], size - found.shape[1], axis=1)
    filling[0] = np.inf
    return np.concatenate([found, filling], axis=1)


def _linear(graph: Graph, features: str, rules: Sequence[Rule]) -> str:
    weights = graph.constant(np.column_stack([np.asarray(rule.coef) for rule in rules]))
    offsets = graph.constant([float(rule.intercept) for rule in rules])
    return graph.add("Add", graph.add("MatMul", features, weights), offsets)


def _box(graph: Graph, features: str, rule: Rule) -> str:
    sides = box_in("ONNX", rule)._sides
    columns = graph.constant([side.column for side in sides])
    signs = graph.constant([float(side.sign) for side in sides])
    offsets = graph.constant([float(side.offset) for side in sides])
    seen = graph.add("Mul", graph.add("Gather", features, columns, axis=1), signs)
    scores = scaled(graph, seen, [side.scale for side in sides])
    scores = graph.add("Sub", scores, offsets)
    return graph.add("ReduceMin", scores, axes=[1], keepdims=1)
