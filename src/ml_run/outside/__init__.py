"""`ml-run evaluate`: predictions of any model, ours or not, through the metrics, tests and gate of a run."""

from ml_run.outside.judging import judge_predictions
from ml_run.outside.record import OutsideResult

__all__ = ["OutsideResult", "judge_predictions"]
