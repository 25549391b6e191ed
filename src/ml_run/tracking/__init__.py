"""MLflow: the tracking store and the model registry. Nothing outside this package imports mlflow.

The experiment folder is the source of truth; the store is a mirror that may be away for any time. A store that fails
raises `StoreError`, within seconds.
"""

from ml_run.tracking.content import DIGEST, EXPERIMENT_ID
from ml_run.tracking.live import live
from ml_run.tracking.looking import look_at_store
from ml_run.tracking.models import (
    CANDIDATE,
    PREVIOUS,
    PRODUCTION,
    aliases,
    download_model,
    point_alias,
    register_version,
    registered_name,
    version_tags,
)
from ml_run.tracking.sending import send
from ml_run.tracking.store import shown_uri, tracking_uri

__all__ = [
    "CANDIDATE",
    "DIGEST",
    "EXPERIMENT_ID",
    "PREVIOUS",
    "PRODUCTION",
    "aliases",
    "download_model",
    "live",
    "look_at_store",
    "point_alias",
    "register_version",
    "registered_name",
    "send",
    "shown_uri",
    "tracking_uri",
    "version_tags",
]
