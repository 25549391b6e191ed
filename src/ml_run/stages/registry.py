"""The registry stage: the tracking store is brought to what the experiment folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run import tracking
from ml_run.errors import StoreError
from ml_run.results import Registration

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.experiment import Experiment


def register_run(config: Config, experiment: Experiment) -> Registration:
    """Send the run to the tracking store.

    Returns:
        What the store knows now. Status `pending`, with the reason, when the store failed: the files of the run are
        kept, and `ml-run sync` sends what is missing.
    """
    try:
        return tracking.send(config, experiment)
    except StoreError as error:
        return Registration(
            status="pending",
            tracking_uri=tracking.shown_uri(config, experiment.project),
            model_name=tracking.registered_name(config, experiment.project),
            reason=f"{error.where}: {error.found}" if error.where else error.found,
        )
