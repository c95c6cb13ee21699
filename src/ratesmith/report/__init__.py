"""The report: a comparison or what a finder found in, one self-contained HTML file out."""

from ratesmith.report.found import write_found
from ratesmith.report.page import write_report

__all__ = ["write_found", "write_report"]
