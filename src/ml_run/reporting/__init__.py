"""Results to Markdown, HTML, figures and the model card."""

from ml_run.reporting.model_card import ModelFacts, render_model_card
from ml_run.reporting.report import write_data_report, write_reports

__all__ = ["ModelFacts", "render_model_card", "write_data_report", "write_reports"]
