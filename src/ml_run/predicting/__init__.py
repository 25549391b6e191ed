"""`ml-run predict`: a file of any size through one model, and every row of it accounted for."""

from ml_run.predicting.job import predict_file
from ml_run.predicting.record import Predicted, predicted_lines
from ml_run.predicting.request import Request, compute_of, place_of

__all__ = ["Predicted", "Request", "compute_of", "place_of", "predict_file", "predicted_lines"]
