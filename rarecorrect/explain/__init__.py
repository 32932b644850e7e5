"""Why a case was changed: the rule, how rare such a case is, and what speaks for it."""

from rarecorrect.explain.cases import explanations
from rarecorrect.explain.contributions import Part
from rarecorrect.explain.result import Explanations
from rarecorrect.explain.usual import Usual

__all__ = ["Explanations", "Part", "Usual", "explanations"]
