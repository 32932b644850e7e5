"""A report on a correction: one HTML file that needs nothing else."""

from rarecorrect.report.page import html

__all__ = ["html"]
