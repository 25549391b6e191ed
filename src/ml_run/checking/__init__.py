"""`ml-run check-data`: the data stage alone, and the corrections that come back from a native speaker."""

from ml_run.checking.check import DataCheck, check_data
from ml_run.checking.correcting import Corrected, apply_corrections
from ml_run.checking.screen import Line, check_screen, columned, corrections_screen
from ml_run.checking.told import told_check, told_corrections

__all__ = [
    "Corrected",
    "DataCheck",
    "Line",
    "apply_corrections",
    "check_data",
    "check_screen",
    "columned",
    "corrections_screen",
    "told_check",
    "told_corrections",
]
