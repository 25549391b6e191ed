"""The page at `/docs`: the OpenAPI document for people, made here: nothing of it comes from elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ml_run.serving.page import environment, style


@dataclass(frozen=True)
class Route:
    """One path, asked in one way."""

    method: str
    path: str
    summary: str
    body: str
    """Schema of what is sent, as JSON; empty where nothing is."""
    answers: list[tuple[str, str, str]]
    """Status, what it means, name of the schema of its body (empty where it has none)."""


def render(document: dict[str, Any]) -> str:
    """The page.

    Args:
        document: an OpenAPI document, as `/openapi.json` answers it.
    """
    schemas = document.get("components", {}).get("schemas", {})
    return environment().get_template("docs.html.j2").render(
        title=document["info"]["title"],
        version=document["info"]["version"],
        openapi=document["openapi"],
        routes=routes_of(document),
        schemas=[(name, _pretty(schema)) for name, schema in schemas.items()],
        style=style(),
    )  # fmt: skip


def routes_of(document: dict[str, Any]) -> list[Route]:
    """All routes, in the document's order."""
    return [
        Route(
            method=method.upper(),
            path=path,
            summary=told.get("summary", ""),
            body=_body(told),
            answers=[(status, one["description"], _shape(one)) for status, one in told["responses"].items()],
        )
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


def _body(told: dict[str, Any]) -> str:
    content = told.get("requestBody", {}).get("content", {})
    return "\n".join(_pretty(kind["schema"]) for kind in content.values())


def _shape(answer: dict[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _pretty(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2)
