"""What the gallery passes to an example that takes arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def quick(gallery: Any, script: dict[str, Any]) -> list[str]:
    """Ask the one example that takes minutes for its short form."""
    return ["--quick"] * (Path(script["src_file"]).stem == "digits_leave_one_out")
