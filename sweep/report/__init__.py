"""The study's result for people: a page, pictures, tables, the best configuration."""

from sweep.report.screen import result_view
from sweep.report.writing import Report, write_report

__all__ = ["Report", "result_view", "write_report"]
