"""Intervals, paired comparisons, calibration and what a number of rows can show: pure, each with its source.

Conventions: labels are ids 0..k-1; a predicted id of k or more means "a label this run does not know" and is never
correct. Intervals are two-sided, 95 % where nothing else is said. Anything undefined is None, never NaN.
"""

from ml_run.statistics.bootstrap import RESAMPLES
from ml_run.statistics.calibration import (
    ECE_BINS,
    answered_at_risk,
    brier_score,
    brier_scores,
    calibrated_ece,
    ece_of_calibrated,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability_bins,
    risk_coverage,
)
from ml_run.statistics.confusion import confusion_matrix, f1_by_class, matthews
from ml_run.statistics.intervals import f1_intervals, macro_f1_error, matthews_interval, mean_interval, wilson
from ml_run.statistics.levels import ALPHA, LEVEL, MANY_LOOKS, POWER, alpha_of_look, level_of_look
from ml_run.statistics.more_rows import class_to_label_first, rows_to_settle_proportion, rows_to_settle_scaled
from ml_run.statistics.paired_accuracy import (
    Discordant,
    McNemar,
    accuracy_difference,
    accuracy_lower_p_value,
    discordant,
    mcnemar,
)
from ml_run.statistics.paired_f1 import (
    FEWEST_COMPARED,
    class_to_label_first_to_compare,
    macro_f1_difference,
    macro_f1_difference_error,
)
from ml_run.statistics.provable import (
    detectable_difference,
    fewest_hits,
    rows_per_class_mean,
    rows_without_mistake,
    smallest_shown_difference,
    usual_margin,
)
from ml_run.statistics.temperature import fit_temperature, log_probabilities, with_temperature

__all__ = [
    "ALPHA",
    "ECE_BINS",
    "FEWEST_COMPARED",
    "LEVEL",
    "MANY_LOOKS",
    "POWER",
    "RESAMPLES",
    "Discordant",
    "McNemar",
    "accuracy_difference",
    "accuracy_lower_p_value",
    "alpha_of_look",
    "answered_at_risk",
    "brier_score",
    "brier_scores",
    "calibrated_ece",
    "class_to_label_first",
    "class_to_label_first_to_compare",
    "confusion_matrix",
    "detectable_difference",
    "discordant",
    "ece_of_calibrated",
    "expected_calibration_error",
    "f1_by_class",
    "f1_intervals",
    "fewest_hits",
    "fit_temperature",
    "level_of_look",
    "log_loss",
    "log_losses",
    "log_probabilities",
    "macro_f1_difference",
    "macro_f1_difference_error",
    "macro_f1_error",
    "matthews",
    "matthews_interval",
    "mcnemar",
    "mean_interval",
    "reliability_bins",
    "risk_coverage",
    "rows_per_class_mean",
    "rows_to_settle_proportion",
    "rows_to_settle_scaled",
    "rows_without_mistake",
    "smallest_shown_difference",
    "usual_margin",
    "wilson",
    "with_temperature",
]
