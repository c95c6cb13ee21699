"""The report: a comparison in, one self-contained HTML file out."""

from ratesmith.report.page import write_report

__all__ = ["write_report"]
