"""The model as MLflow loads it: `mlflow.pyfunc.load_model("models:/NAME@production")`, offline, with this very code.

MLflow ships this package beside the model and calls `_load_pyfunc`. Nothing here imports mlflow, and nothing is
unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.modeling.foreign import refuse_foreign
from ml_run.modeling.scoring import load_scorer

if TYPE_CHECKING:
    import pandas as pd

    from ml_run.modeling.scoring import Scorer


@dataclass(frozen=True)
class PyfuncModel:
    """Answers MLflow's `predict`."""

    scorer: Scorer

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Classify texts, in batches; of a long text, the model reads what it was trained to read.

        Args:
            model_input: one row a text, in the column `text`.
            params: MLflow's inference parameters; there are none.

        Returns:
            One row a text: `label`, `p_<label>` for each class, and `abstain`: it is not sure enough.
        """
        import numpy as np
        import pandas as pd

        texts = ["" if text is None else str(text) for text in model_input["text"]]
        probabilities = self.scorer.probabilities(texts)
        names = np.array(self.scorer.labels)
        answer = {"label": names[probabilities.argmax(axis=1)] if texts else []}
        answer |= {f"p_{label}": probabilities[:, number] for number, label in enumerate(names)}
        answer["abstain"] = self.scorer.abstains(probabilities)
        return pd.DataFrame(answer, index=model_input.index)


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """MLflow's way in: load the sealed model folder at `data_path`."""
    refuse_foreign(Path(data_path))
    return PyfuncModel(load_scorer(Path(data_path)))
