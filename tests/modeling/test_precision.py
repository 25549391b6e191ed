import json
import time

import pytest
import torch

from ml_run.modeling import precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ml-run" / "bf16.json"


@pytest.mark.parametrize("wanted", ["float32", "bf16"])
def test_what_the_config_says_is_not_measured(cache, wanted):
    """An explicit precision is taken as it is, without a measurement."""
    choice = precision.choose(wanted, CPU)
    assert (choice.precision, choice.why) == (wanted, "set in the config")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("speed", "expected"), [(0.4, "float32"), (1.0, "float32"), (1.19, "float32"), (1.2, "bf16"), (2.6, "bf16")]
)
def test_bf16_is_chosen_where_it_was_measured_faster(monkeypatch, speed, expected):
    """A CPU trains in bf16 when that is a fifth faster, and the reason names the measurement."""
    monkeypatch.setattr(precision, "measure_bf16", lambda: speed)
    choice = precision.choose("auto", CPU)
    assert choice.precision == expected
    assert choice.why == f"bf16 was measured {speed:.2f} times as fast"


def test_the_measurement_is_short_and_leaves_chance_alone():
    """The probe takes about a second, and leaves the random state of the training as it was."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    start = time.process_time()
    speed = precision.measure_bf16()
    assert 0.05 < speed < 20
    assert time.process_time() - start < 6
    assert torch.equal(torch.get_rng_state(), before)


def test_a_machine_is_measured_once(cache, monkeypatch):
    """The answer is kept for this processor, torch and number of threads; another number is measured on its own."""
    speeds = iter([2.5, 1.5])
    monkeypatch.setattr(precision, "measure_bf16", lambda: next(speeds))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert (precision.bf16_speed(), precision.bf16_speed()) == (2.5, 2.5)
        torch.set_num_threads(2)
        assert precision.bf16_speed() == 1.5
        torch.set_num_threads(1)
        assert precision.bf16_speed() == 2.5
    finally:
        torch.set_num_threads(threads)
    kept = json.loads(cache.read_text())
    assert sorted(kept.values()) == [1.5, 2.5]
    assert all(f"torch {torch.__version__}" in key for key in kept)


@pytest.mark.parametrize("content", ["", "[]", '{"x": null}', "{"])
def test_a_broken_cache_is_measured_over(cache, monkeypatch, content):
    """A cache file that cannot be read is replaced, not trusted and not fatal."""
    cache.parent.mkdir()
    cache.write_text(content)
    monkeypatch.setattr(precision, "measure_bf16", lambda: 3.0)
    assert precision.bf16_speed() == 3.0
    assert list(json.loads(cache.read_text()).values()) == [3.0]


def test_a_cache_that_cannot_be_written_is_done_without(cache, monkeypatch):
    """Where a file stands in the place of the cache folder, the machine is measured each time."""
    cache.parent.write_text("a file")
    monkeypatch.setattr(precision, "measure_bf16", lambda: 3.0)
    assert precision.bf16_speed() == 3.0
    assert cache.parent.read_text() == "a file"


def test_other_devices_are_not_guessed_at():
    """A device that is neither CPU nor CUDA trains in float32."""
    choice = precision.choose("auto", torch.device("mps"))
    assert (choice.precision, choice.why) == ("float32", "bf16 is not tried on mps")
