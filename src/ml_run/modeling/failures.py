"""The ways a machine gives out under a training, told from bugs: a full disk and memory that is not enough."""

import ctypes
import errno
import gc
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_run.config import Config
from ml_run.errors import MlRunError, TrainingError
from ml_run.modeling import checkpoints
from ml_run.wording import number_of

_MEGABYTE = 1_000_000
_WEIGHT_BYTES = 4
_STATE_BYTES = 12  # a checkpoint holds the weights and AdamW's two moments
_SPARE = 2.5
_NO_SPACE = ("no space left", "os error 28", "disk quota exceeded")
_TORCH_WRITE_FAULTS = ("pytorchstreamwriter", "inline_container", "unexpected pos", "iostream error")
_NO_MEMORY = (
    "can't allocate memory", "cannot allocate memory", "out of memory", "bad_alloc", "not enough memory",
    "can't start new thread",  # whose stack is memory, too
)  # fmt: skip
_NO_MEMORY_ONEDNN = "could not create a primitive"  # its whole message; of an unsupported one it says more


def check_disk_space(folder: Path, parameters: int, models: int = 1) -> None:
    """Raise TrainingError unless `folder` has room for the checkpoints and the model of a training.

    Args:
        folder: the experiment's `checkpoints/`; what earlier attempts left there counts as room.
        parameters: of the model to be trained.
        models: how many finished models will be kept for a while.
    """
    need = _SPARE * disk_need(parameters) + (models - 1) * parameters * _WEIGHT_BYTES
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(_existing(folder)).free
    if free + used < need:
        raise _disk_full("the disk is too full to train", need, free + used, folder)


def disk_need(parameters: int) -> int:
    """Bytes of one checkpoint and of the finished model."""
    return parameters * (_STATE_BYTES + _WEIGHT_BYTES)


@contextmanager
def loading(config: Config) -> Iterator[None]:
    """Turn exhausted memory within the block, which loads the model, into a TrainingError: no batch is to blame."""
    try:
        yield
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise TrainingError(
            f"memory ran out while {config.model.name} was loaded",
            kind="out_of_memory",
            remedy="close other programs, or name a smaller model in model.name",
        ) from error


@contextmanager
def explained(config: Config, folder: Path, parameters: int) -> Iterator[None]:
    """Turn a full disk or exhausted memory within the block into a TrainingError that says what to change.

    On any error, the checkpoint that was being written is removed; those before it stay.
    """
    try:
        yield
    except BaseException as error:
        free = shutil.disk_usage(_existing(folder)).free
        checkpoints.discard_unsealed(folder)
        if isinstance(error, MlRunError) or not isinstance(error, Exception):
            raise
        if _is_disk_full(error, free, parameters):
            raise _disk_full("the disk is full", disk_need(parameters), free, folder) from error
        if _is_out_of_memory(error):
            raise out_of_memory(config) from error
        raise


def bare(error: TrainingError) -> TrainingError:
    """The same error without its traceback and cause, which hold on to the model and all its gradients."""
    return TrainingError(error.found, kind=error.kind, where=error.where, remedy=error.remedy, curable=error.curable)


def release_memory() -> None:
    """Give back what a failed training has left: a Trainer and its callbacks hold each other."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        # glibc keeps what was freed in blocks below 32 MB, and a limit on the address space counts it.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _is_disk_full(error: Exception, free: int, parameters: int) -> bool:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    text = str(error).lower()
    if any(words in text for words in _NO_SPACE):
        return True
    # torch.save does not say why a write failed
    return any(words in text for words in _TORCH_WRITE_FAULTS) and free < disk_need(parameters)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (text == _NO_MEMORY_ONEDNN or any(words in text for words in _NO_MEMORY))


def _disk_full(found: str, need: float, free: int, folder: Path) -> TrainingError:
    return TrainingError(
        f"{found}: {need / _MEGABYTE:,.0f} MB are needed, {free / _MEGABYTE:,.0f} MB are free",
        kind="disk_full",
        where=str(folder),
        remedy="free some space, then go on from the last checkpoint with ml-run --resume",
    )


def out_of_memory(config: Config) -> TrainingError:
    """The error of a training for whose steps memory is not enough; curable while they can be cut smaller."""
    training, length = config.training, config.model.max_length
    found = f"memory ran out with {number_of(training.batch_size, 'row')} at once and model.max_length {length}"
    shares, key = config.compute.shares, "workers" if config.compute.engine == "ray" else "processes"
    fewer = f"lower compute.{key}, each of which holds the whole model, or " if shares > 1 else ""
    if training.batch_size <= shares:
        remedy = f"{fewer}lower model.max_length, name a smaller model in model.name, or close other programs"
        return TrainingError(found, kind="out_of_memory", remedy=remedy)
    return TrainingError(
        found,
        kind="out_of_memory",
        remedy=f"{fewer}set training.batch_size to {training.batch_size // 2} and "
        f"training.gradient_accumulation_steps to {training.gradient_accumulation_steps * 2} (the same step in smaller "
        "portions), or lower model.max_length; "
        "training.auto_batch: true does the first by itself",
        curable=True,
    )


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
