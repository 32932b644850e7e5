"""Fit and certify in one pass over blocks."""

from rarecorrect.streaming.block_fit import BlockFit
from rarecorrect.streaming.block_scores import BlockScores
from rarecorrect.streaming.room import all_or_nothing, check_block, check_for_blocks

__all__ = [
    "BlockFit",
    "BlockScores",
    "all_or_nothing",
    "check_block",
    "check_for_blocks",
]
