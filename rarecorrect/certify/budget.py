"""One budget for all, or one for each class or segment."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from rarecorrect.certify.exact_rule import check_share

Budget = float | Mapping[Hashable, float]


def check_budget(budget: Budget, name: str) -> Budget:
    """Return a budget whose shares lie in (0, 1).

    Parameters
    ----------
    budget : float or mapping from label to float
    name : str
        For the message.

    Returns
    -------
    float or dict

    Raises
    ------
    ValueError
        For a share outside (0, 1), or no share at all.

    Examples
    --------
    >>> check_budget({"ok": 0.001, "fraud": 0.01}, "max_damage")
    {'ok': 0.001, 'fraud': 0.01}
    """
    if not isinstance(budget, Mapping):
        return check_share(budget, name)
    if not budget:
        raise ValueError(f"{name} is an empty dict; name the budget of a label")
    return {k: check_share(v, f"{name}[{k!r}]") for k, v in budget.items()}


def budget_of(budget: Budget, stratum: Hashable) -> float:
    """Budget of a class or segment: the smallest one where it has none of its own.

    Parameters
    ----------
    budget : float or mapping from label to float
    stratum : label or None

    Returns
    -------
    float

    Examples
    --------
    >>> [budget_of({"ok": 0.001, "fraud": 0.01}, s) for s in ("fraud", "late")]
    [0.01, 0.001]
    """
    if not isinstance(budget, Mapping):
        return budget
    return budget.get(stratum, min(budget.values()))


def smallest_budget(budget: Budget) -> float:
    """The strictest share of a budget.

    Parameters
    ----------
    budget : float or mapping from label to float

    Returns
    -------
    float

    Examples
    --------
    >>> smallest_budget({"ok": 0.001, "fraud": 0.01})
    0.001
    """
    return min(budget.values()) if isinstance(budget, Mapping) else budget


def each_share(budget: Budget, change: Callable[[float], float]) -> Budget:
    """The same budget with every share changed.

    Parameters
    ----------
    budget : float or mapping from label to float
    change : callable

    Returns
    -------
    float or dict

    Examples
    --------
    >>> each_share({"ok": 0.001, "fraud": 0.01}, lambda share: share / 2)
    {'ok': 0.0005, 'fraud': 0.005}
    """
    if not isinstance(budget, Mapping):
        return change(budget)
    return {stratum: change(share) for stratum, share in budget.items()}


def largest_budget(budget: Budget) -> float:
    """The laxest share of a budget.

    Parameters
    ----------
    budget : float or mapping from label to float

    Returns
    -------
    float

    Examples
    --------
    >>> largest_budget({"ok": 0.001, "fraud": 0.01})
    0.01
    """
    return max(budget.values()) if isinstance(budget, Mapping) else budget
