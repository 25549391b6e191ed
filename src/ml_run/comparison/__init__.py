"""`ml-run compare A B`: what changed between two runs, and whether the scores differ by more than noise."""

from ml_run.comparison.record import KeyChange, RunComparison, Side, SplitChange
from ml_run.comparison.two_runs import compare_runs

__all__ = ["KeyChange", "RunComparison", "Side", "SplitChange", "compare_runs"]
