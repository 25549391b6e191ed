"""The languages that `data.language` may name: a table that costs nothing to read, kept equal to the identifiers'.

`languages/codes.csv` has a row for each language that a profile or an identifier knows, and for languages of Somalia
that no identifier knows. It says under which codes pycld2 and py3langid know it (a test compares that with the
installed packages), and which close relatives are so like it that being taken for one of them is no evidence.
"""

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parents[1] / "languages" / "codes.csv"


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table."""

    code: str
    """ISO 639-1 where there is one, else ISO 639-3."""
    iso639_3: str
    name: str
    also: tuple[str, ...]
    """Other codes for it: parts of a macrolanguage, withdrawn codes."""
    pycld2: tuple[str, ...]
    """Codes by which pycld2 can answer it; empty: it does not know the language."""
    py3langid: tuple[str, ...]
    near: frozenset[str]
    """Codes of close relatives that identifiers do not tell from it reliably."""


@cache
def languages() -> dict[str, Language]:
    """All languages of the table by their code."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = [
            Language(
                code=row["code"],
                iso639_3=row["iso639_3"],
                name=row["name"],
                also=tuple(row["also"].split()),
                pycld2=tuple(row["pycld2"].split()),
                py3langid=tuple(row["py3langid"].split()),
                near=frozenset(row["near"].split()),
            )
            for row in csv.DictReader(file)
        ]
    return {row.code: row for row in rows}


@cache
def _by_any_code() -> dict[str, Language]:
    return {code: one for one in languages().values() for code in (one.code, one.iso639_3, *one.also)}


def find_language(code: str) -> Language | None:
    """The language that `code` names, None when the table has none: `so`, `som` and `so-SO` are all Somali."""
    return _by_any_code().get(code.split("-", maxsplit=1)[0].lower())


def nearest_languages(code: str) -> list[str]:
    """Up to three languages whose code or name is like `code`, as `so (Somali)`."""
    base = code.split("-", maxsplit=1)[0].lower()
    names = {name: one for one in languages().values() for name in (one.code, one.iso639_3, one.name.lower())}
    near = [names[match] for match in get_close_matches(base, names, n=6, cutoff=0.6)]
    return list(dict.fromkeys(f"{one.code} ({one.name})" for one in near))[:3]
