"""Warnings of rarecorrect."""

from __future__ import annotations


class NotCertifiedWarning(UserWarning):
    """Nothing, or not everything, could be certified: the legacy answer is kept."""


class RuleRefusedWarning(UserWarning):
    """A rule could not be learnt; the others go on without it."""


class TrainingRowsWarning(UserWarning):
    """The rows look like rows that the legacy model or a rule was learnt from."""
