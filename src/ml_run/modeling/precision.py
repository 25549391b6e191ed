"""In which arithmetic to train: measured on the machine that trains, not guessed from its name."""

import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml_run import files
from ml_run.modeling import machine

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16"]

_WORTH_IT = 1.2
_FILE = "bf16.json"
_TOKENS, _HIDDEN, _INNER = 512, 384, 1536
_ROUNDS = 7
_LONGEST = 2.0  # seconds


@dataclass(frozen=True)
class Choice:
    """The arithmetic of a training, and where it comes from."""

    precision: Precision
    why: str


def choose(wanted: Literal["auto", "float32", "bf16"], device: "torch.device", speed: float | None = None) -> Choice:
    """Settle the arithmetic of a training's steps.

    Args:
        wanted: `training.precision` of the config.
        device: where the model trains.
        speed: what `bf16_speed` would say; left out: asked where it is needed.
    """
    import torch

    if wanted != "auto":
        return Choice(wanted, "set in the config")
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return Choice("bf16", "the GPU has bf16") if able else Choice("float32", "the GPU has no bf16")
    if device.type != "cpu":
        return Choice("float32", f"bf16 is not tried on {device.type}")
    speed = bf16_speed() if speed is None else speed
    return Choice("bf16" if speed >= _WORTH_IT else "float32", f"bf16 was measured {speed:.2f} times as fast")


def bf16_speed() -> float:
    """How many times as fast as in float32 this CPU trains in bf16; measured once for each machine, torch and threads.

    The answer is kept in the user's cache folder. Where that cannot be written, it is measured again each time.
    """
    key, file = _key(), machine.cache_folder() / _FILE
    known = _read(file)
    if key not in known:
        known[key] = round(measure_bf16(), 3)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write_json(file, known)
        except OSError:
            pass
    return known[key]


def known_speed() -> float | None:
    """What `bf16_speed` has kept of this machine; None when it was never asked."""
    return _read(machine.cache_folder() / _FILE).get(_key())


def _key() -> str:
    import torch

    return f"{machine.processor()[:16]} torch {torch.__version__} threads {torch.get_num_threads()}"


def measure_bf16() -> float:
    """Time the products and the activation of a transformer layer forward and backward, in turn in both arithmetics.

    Returns:
        Ratio of the medians of processor time, which other processes disturb least: above 1, bf16 is faster.
    """
    import torch

    with torch.random.fork_rng(devices=()):
        layer = torch.nn.Sequential(torch.nn.Linear(_HIDDEN, _INNER), torch.nn.GELU(), torch.nn.Linear(_INNER, _HIDDEN))
        texts = torch.randn(_TOKENS, _HIDDEN)
    times: dict[bool, list[float]] = {True: [], False: []}
    end = time.monotonic() + _LONGEST
    for number in range(_ROUNDS + 1):
        for bf16, taken in times.items():
            seconds = _time(layer, texts, bf16=bf16)
            if number:  # the first round loads what the others use
                taken.append(seconds)
        if number and time.monotonic() > end:
            break
    return statistics.median(times[False]) / statistics.median(times[True])


def _time(layer: "torch.nn.Module", texts: "torch.Tensor", *, bf16: bool) -> float:
    import torch

    start = time.process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        out = layer(texts)
    out.float().sum().backward()
    return time.process_time() - start


def _read(file: Any) -> dict[str, float]:
    try:
        content = json.loads(file.read_text("utf-8"))
        return {str(key): float(speed) for key, speed in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
