"""Generates `/openapi.json` from the catalog and the models, in the form of Oura's published OpenAPI files.

Each type has a list operation and, where it has ids, a single-document operation, in production and in the
sandbox. `openapi_webhooks` adds the subscriptions.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from ..._api.catalog import TYPES, AnyKind
from ..._api.kinds import ROOT, SANDBOX
from ..._oauth.scopes import SCOPES
from ..._version import __version__
from . import openapi_webhooks as subscriptions

_DATE = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "null"},
    ]
}
_INSTANT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
_TEXT = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_FLAG = {"anyOf": [{"type": "boolean"}, {"type": "null"}]}

_REFUSALS = {
    "400": {"description": "The request is invalid, for example a start after its end."},
    "401": {"description": "The access token is expired, malformed or revoked."},
    "403": {"description": "The token lacks the scope, or the user's Oura membership has ended."},
    "429": {"description": "Too many requests."},
    "422": {
        "description": "A parameter is malformed.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
    },
}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the data and webhook routes."""
    models = [kind.model for kind in TYPES.values()]
    _, schemas = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for root in (ROOT, SANDBOX):
        for kind in TYPES.values():
            if root is SANDBOX and kind.is_single:
                continue
            paths[f"{root}/{kind.name}"] = {"get": _list(kind, root)}
            if kind.has_ids:
                paths[f"{root}/{kind.name}/{{document_id}}"] = {"get": _one(kind, root)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Oura API, answered by ringlet",
            "version": "2.0",
            "description": f"A stand-in by ringlet {__version__}. Not affiliated with Oura.",
        },
        "paths": paths | subscriptions.paths(),
        "components": {
            "schemas": schemas | subscriptions.SCHEMAS | _VALIDATION,
            "securitySchemes": _SECURITY | subscriptions.SECURITY,
        },
    }


def _operation(kind: AnyKind, root: str, what: str, schema: dict[str, Any]) -> dict[str, Any]:
    where = "sandbox_" if root is SANDBOX else ""
    success = {"description": "Successful Response", "content": {"application/json": {"schema": schema}}}
    return {
        "tags": [f"{kind.name} routes"],
        "summary": f"{what}: {kind.name}",
        "operationId": f"{where}{what.lower().replace(' ', '_')}_{kind.name}",
        "responses": {"200": success, **_REFUSALS},
        "security": [{"BearerAuth": []}, {"OAuth2": [kind.scope]}],
    }


def _list(kind: AnyKind, root: str) -> dict[str, Any]:
    model = _ref(kind)
    if kind.is_single:
        return _operation(kind, root, "One", model)
    operation = _operation(kind, root, "List", _page(model, sparse=kind.supports_fields and root is ROOT))
    parameters: dict[str, Any] = {}
    if kind.has_window:
        parameters |= dict.fromkeys(kind.bounds, _INSTANT if kind.is_series else _DATE)
    parameters["next_token"] = _TEXT
    if root is ROOT:
        if kind.has_latest:
            parameters["latest"] = _FLAG
        parameters["fields"] = _TEXT
    operation["parameters"] = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in parameters.items()
    ]
    return operation


def _one(kind: AnyKind, root: str) -> dict[str, Any]:
    operation = _operation(kind, root, "One", _ref(kind))
    operation["parameters"] = [
        {"name": "document_id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    operation["responses"]["404"] = {"description": "The document does not exist."}
    return operation


def _ref(kind: AnyKind) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.model.__name__}"}


def _page(model: dict[str, Any], *, sparse: bool) -> dict[str, Any]:
    item = {"anyOf": [model, {"type": "object", "additionalProperties": True}]} if sparse else model
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": item}, "next_token": _TEXT},
        "required": ["data", "next_token"],
    }


_SECURITY = {
    "BearerAuth": {"type": "http", "scheme": "bearer"},
    "OAuth2": {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": "/oauth/authorize",
                "tokenUrl": "/oauth/token",
                "scopes": dict(SCOPES),
            }
        },
    },
}

_VALIDATION = {
    "HTTPValidationError": {
        "type": "object",
        "properties": {
            "detail": {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
        },
    },
    "ValidationError": {
        "type": "object",
        "properties": {
            "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "msg": {"type": "string"},
            "type": {"type": "string"},
            "input": {},
            "ctx": {"type": "object"},
        },
        "required": ["loc", "msg", "type"],
    },
}
