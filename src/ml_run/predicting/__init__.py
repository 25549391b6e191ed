"""`ml-run predict`: a file of any size through one model, and every row of it accounted for."""

from ml_run.predicting.job import Request, predict_file
from ml_run.predicting.record import Predicted, predicted_lines

__all__ = ["Predicted", "Request", "predict_file", "predicted_lines"]
