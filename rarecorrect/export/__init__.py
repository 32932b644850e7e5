"""Rules that leave Python."""

from rarecorrect.export.onnx import to_onnx
from rarecorrect.export.sql import to_sql

__all__ = ["to_onnx", "to_sql"]
