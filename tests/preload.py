"""What the fork server of `harness` holds ready, so that no command that a test runs has to load it again.

Modules only, and what they keep of the installed packages: nothing that depends on a project, a home or a config.
"""

import gc
import importlib
import os
import pkgutil

LIBRARIES = [
    "datasets",
    "evaluate",
    "ftfy",
    "jinja2",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracing.processor.base_mlflow",
    "pandas",
    "py3langid",
    "pyarrow.parquet",
    "pycld2",
    "scipy.stats",
    "skops.io",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.svm",
    "sklearn.tree",
    "sqlalchemy.dialects.sqlite",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.trainer",
]
ENTRY = "ml_run.__main__"
"""Gets ready for signals as it is loaded, so each command loads it itself."""


def _load() -> None:
    os.environ.pop("PYTHONPATH", None)  # it was for finding this file; commands have none
    import ml_run

    for name in LIBRARIES:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(ml_run.__path__, "ml_run."):
        if module.name != ENTRY:
            importlib.import_module(module.name)
    from mlflow.utils import requirements_utils

    requirements_utils._init_packages_to_modules_map()
    gc.collect()
    gc.freeze()  # what is here is here to stay: a child that collects garbage need not look at it


_load()
