"""What people look at: the self-contained report of a run, and the comparison of several."""

from cardinet.report.content import Counts, Found, Mistake, Outcome, ReportContent, Sample, Speed, Stage
from cardinet.report.page import comparison, render

__all__ = ["Counts", "Found", "Mistake", "Outcome", "ReportContent", "Sample", "Speed", "Stage", "comparison", "render"]
