"""What people look at: the self-contained report of a run, and the comparison of several."""

from cardinet.report.content import Counts, Mistake, Outcome, ReportContent, Speed, Stage
from cardinet.report.page import comparison, render

__all__ = ["Counts", "Mistake", "Outcome", "ReportContent", "Speed", "Stage", "comparison", "render"]
