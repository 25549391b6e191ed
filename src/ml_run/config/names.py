"""Names that `ml_config.yaml` may hold and rooms above give their meaning: sources, models from scratch, languages.

They stand here, below the rooms that act on them, so that what is accepted and what is done cannot drift apart.
"""

from importlib.util import find_spec
from pathlib import Path

from ml_run.wording import listed

HUB_PREFIX = "hf://"
HUB_FORM = f"{HUB_PREFIX}owner/name[/config]"
_LONGEST_HUB_ADDRESS = 3
DATA_FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
"""Endings that can be read, each also with .gz behind it."""
DATA_FORMS = f"{listed([ending[1:] for ending in DATA_FORMATS], last='or')}, each also .gz"
TEXT_FORMAT = ".txt"
"""Ending of a file of texts without labels, one a line; also with .gz behind it."""
SCRATCH_PREFIX = "scratch:"
SCRATCH_TINY = "scratch:tiny"
SCRATCH_SMALL = "scratch:small"
SCRATCH_MODELS = (SCRATCH_TINY, SCRATCH_SMALL)
LINEAR = "linear"
"""The linear model; a folder of that name is meant by ./linear."""
INSTALL_RAY = "install it: pip install 'ml-run[ray]'"
INSTALL_ONNX = "install it: pip install 'ml-run[onnx]'"
_PROFILES = Path(__file__).parents[1] / "languages"


def is_hub_address(source: str) -> bool:
    """True when a data source is on the hub, not a file."""
    return source.startswith(HUB_PREFIX)


def hub_data_set(address: str) -> tuple[str, str | None] | None:
    """Name and config in `hf://name`, `hf://owner/name` or `hf://owner/name/config`; None when it is none of these."""
    parts = address.removeprefix(HUB_PREFIX).split("/")
    if len(parts) > _LONGEST_HUB_ADDRESS or not all(parts):
        return None
    return "/".join(parts[:2]), parts[2] if len(parts) == _LONGEST_HUB_ADDRESS else None


def data_format(path: Path) -> str | None:
    """The one of `DATA_FORMATS` that a file is in by its name, None when by its name it is in none."""
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    return ending if ending in DATA_FORMATS else None


def known_profiles() -> tuple[str, ...]:
    """The codes of all language profiles, sorted: the names of their files."""
    return tuple(sorted(path.stem for path in _PROFILES.glob("*.yaml")))


def onnx_is_installed() -> bool:
    """True where all that the extra `onnx` brings can be imported. Imports none of it."""
    return all(find_spec(package) is not None for package in ("onnx", "onnxruntime", "onnxscript"))
