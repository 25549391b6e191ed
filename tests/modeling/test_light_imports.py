"""Keeping a library out while another one is imported."""

import subprocess
import sys
import threading

import pytest

from ml_run.modeling.light_imports import without


def test_a_library_cannot_be_imported_within_the_block_and_can_after(monkeypatch):
    """The block hides it without a trace: afterwards it is there as before."""
    before = list(sys.meta_path)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with without("colorsys"), pytest.raises(ModuleNotFoundError, match="colorsys is not wanted here"):
        __import__("colorsys")
    assert sys.meta_path == before
    assert __import__("colorsys")


def test_what_is_loaded_stays_usable():
    """A library that is loaded already is not hidden: others hold it."""
    with without("json"):
        assert __import__("json").dumps(1) == "1"


def test_other_threads_are_left_alone(monkeypatch):
    """Another thread can import it meanwhile."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    found = []
    with without("colorsys"):
        thread = threading.Thread(target=lambda: found.append(__import__("colorsys")))
        thread.start()
        thread.join()
    assert found


def test_an_error_within_the_block_leaves_no_guard():
    """The guard goes even when the import fails."""
    before = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), without("torch"):
        raise ZeroDivisionError
    assert sys.meta_path == before


def test_metrics_and_skops_do_not_load_torch():
    """What a linear model needs of evaluate and skops loads neither torch nor transformers, and both still work."""
    program = """
import sys
import numpy as np
from ml_run.modeling import linear
from ml_run.modeling.scores import score_predictions
found = score_predictions("x", np.array([0, 1]), np.array([[.9, .1], [.2, .8]]), [0, 1], ("a", "b"), seed=0)
assert found.accuracy.value == 1 and found.ece is not None
assert linear._skops().dumps({"a": np.zeros(2)})
print([name for name in ("torch", "transformers", "tokenizers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
