"""The report: a comparison, what a finder found or a forecast in, one self-contained HTML file out."""

from ratesmith.report.forecast import write_forecast
from ratesmith.report.found import write_found
from ratesmith.report.page import write_report

__all__ = ["write_forecast", "write_found", "write_report"]
