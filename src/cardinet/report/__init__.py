"""Pages for people: the report of a run, the comparison of several runs, and the model card."""

from cardinet.report.comparison import comparison
from cardinet.report.content import Counts, DataFinding, Mistake, Outcome, ReportContent, Sample, Speed, Stage
from cardinet.report.page import render

__all__ = [
    "Counts",
    "DataFinding",
    "Mistake",
    "Outcome",
    "ReportContent",
    "Sample",
    "Speed",
    "Stage",
    "comparison",
    "render",
]
