"""Reports of finished runs: tables, paired comparisons and figures, in Markdown and HTML."""

from bnn.report.build import build_report

__all__ = ["build_report"]
