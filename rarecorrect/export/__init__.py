"""Rules that leave Python."""

from rarecorrect.export.sql import to_sql

__all__ = ["to_sql"]
