"""A model folder that was out of our hands, in a registry: what could bring code is refused before any of it is loaded.

A list of what may be there, not of what may not: scanners that know the bad endings were passed by `x.pkl.gz`
(reliability.md, 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {
    ".json", ".md", ".txt",
    ".safetensors", ".skops", ".onnx", ".onnx_data",
    ".codes", ".jinja", ".model", ".spm", ".tiktoken", ".vocab",  # of tokenizers
}  # fmt: skip
_REMEDY = "do not use it: somebody changed it in the store; deploy another version"


def refuse_foreign(folder: Path) -> None:
    """Raise StoreError when the model in `folder` holds links, files that no model of ours has, or asks for code."""
    from ml_run.modeling.loading import refuse_own_code

    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise StoreError(f"{name} is a link, which no model of ours has", where=str(folder), remedy=_REMEDY)
        if path.is_file() and path.suffix.lower() not in _KINDS:
            raise StoreError(f"{name} does not belong to a model of ours", where=str(folder), remedy=_REMEDY)
    try:
        refuse_own_code(folder)
    except UsageError as error:
        raise StoreError(error.found, where=error.where, remedy=_REMEDY) from None
