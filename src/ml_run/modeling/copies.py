"""Sealed folders on storage that every node of a cluster sees, where they have no folder in common.

A copy is whole once its manifest is there, which is written last; what is fetched is verified like any checkpoint. So
no half of a copy is ever used, whoever was killed while it was made.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_run import files
from ml_run.config.sections import ComputeConfig
from ml_run.errors import MlRunError, TrainingError, UsageError

KEY = "compute.storage"


def place(compute: ComputeConfig, run: str, inputs: str) -> str | None:
    """Where copies of a training go; None where its own folder is seen by all who train.

    Args:
        compute: the config's `compute` section.
        run: the experiment's name.
        inputs: SHA-256 of all that the training depends on.
    """
    if compute.engine == "local" or compute.storage is None:
        return None
    return f"{compute.storage.rstrip('/')}/{run}-{inputs[:12]}"


def push(folder: Path, url: str) -> None:
    """Make `url` hold the sealed folders in `folder`, and no other.

    Raises:
        UsageError: the storage cannot be used.
        TrainingError: it failed.
    """
    with _storage(url) as (storage, root):
        here = {path.name: path for path in folder.iterdir() if (path / files.MANIFEST).is_file()}
        there = _names(storage, root)
        for name in sorted(here.keys() - _sealed(storage, root, there)):
            _upload(storage, here[name], f"{root}/{name}")
        for name in there - here.keys():
            storage.rm(f"{root}/{name}", recursive=True)


def fetch(url: str, folder: Path, only: str | None = None) -> None:
    """Put the sealed folders at `url` that `folder` lacks into it, each whole or not at all; not verified yet.

    Args:
        url: where they are.
        folder: where they go.
        only: the name of the one that is wanted; None: all.

    Raises:
        UsageError: the storage cannot be used.
        TrainingError: it failed.
    """
    with _storage(url) as (storage, root):
        names = _sealed(storage, root, _names(storage, root))
        for name in sorted(names if only is None else names & {only}):
            if not (folder / name / files.MANIFEST).is_file():
                shutil.rmtree(folder / name, ignore_errors=True)
                with files.scratch_folder(folder, name) as scratch:
                    _download(storage, f"{root}/{name}", scratch)
                    files.replace_folder(scratch, folder / name)


def clear(url: str) -> None:
    """Remove all that is at `url`.

    Raises:
        UsageError: the storage cannot be used.
        TrainingError: it failed.
    """
    with _storage(url) as (storage, root):
        if storage.exists(root):
            storage.rm(root, recursive=True)


@contextmanager
def _storage(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of `url` and the path in it; its errors within the block are told as ours."""
    try:
        import fsspec

        storage, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:  # its library is missing, or there is no such protocol
        raise UsageError(
            f"{url} cannot be used: {error}",
            where=KEY,
            remedy="give a folder, or an fsspec URL such as s3://bucket/ml-run",
        ) from error
    storage.invalidate_cache()
    try:
        yield storage, root.rstrip("/")
    except MlRunError:
        raise
    except Exception as error:  # of whichever client the protocol has
        raise TrainingError(
            f"checkpoints cannot be kept at {url}: {error or type(error).__name__}",
            kind="storage",
            where=KEY,
            remedy="see that every node may read and write there, then go on with ml-run --resume",
        ) from error


def _names(storage: Any, root: str) -> set[str]:
    if not storage.exists(root):
        return set()
    return {str(path).rstrip("/").rpartition("/")[2] for path in storage.ls(root, detail=False)}


def _sealed(storage: Any, root: str, names: set[str]) -> set[str]:
    return {name for name in names if storage.exists(f"{root}/{name}/{files.MANIFEST}")}


def _upload(storage: Any, folder: Path, target: str) -> None:
    storage.makedirs(target, exist_ok=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in sorted(paths, key=lambda path: path.name == files.MANIFEST):
        storage.put_file(str(path), f"{target}/{path.relative_to(folder).as_posix()}")


def _download(storage: Any, source: str, folder: Path) -> None:
    for path in storage.find(source):
        target = folder / str(path)[len(source) :].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.get_file(path, str(target))
