"""Results to Markdown, HTML, figures and the model card."""

from ml_run.reporting.answers import render_answers
from ml_run.reporting.model_card import ModelFacts, render_model_card
from ml_run.reporting.predictions_report import Judged, write_predictions_report
from ml_run.reporting.report import write_data_report, write_reports

__all__ = [
    "Judged",
    "ModelFacts",
    "render_answers",
    "render_model_card",
    "write_data_report",
    "write_predictions_report",
    "write_reports",
]
