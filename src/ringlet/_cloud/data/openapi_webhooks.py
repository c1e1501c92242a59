"""The part of `/openapi.json` about subscriptions: six operations, with the names of the published files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..._webhooks.events import DATA_TYPES, EVENT_TYPES
from ..._webhooks.subscriptions import SUBSCRIPTION_PATH

_MODEL: Final = "WebhookSubscriptionModel"
_ONE: Final = {"$ref": f"#/components/schemas/{_MODEL}"}
_TEXT = {"type": "string"}


class _Operation(NamedTuple):
    method: str
    path: str
    what: str
    status: str = "200"
    answer: Mapping[str, Any] | None = _ONE
    body: str = ""


_OPERATIONS = (
    _Operation("get", "", "List", answer={"type": "array", "items": _ONE}),
    _Operation("post", "", "Create", "201", body="CreateWebhookSubscriptionRequest"),
    _Operation("get", "/{id}", "Get"),
    _Operation("put", "/{id}", "Update", body="UpdateWebhookSubscriptionRequest"),
    _Operation("delete", "/{id}", "Delete", "204", None),
    _Operation("put", "/renew/{id}", "Renew"),
)
_REFUSALS = {
    "401": {"description": "The application did not prove itself."},
    "429": {"description": "Too many requests, or too many wrong attempts."},
}
_UNKNOWN = {"403": {"description": "Webhook with specified id does not exist."}}
_DUPLICATE = {"409": {"description": "The application has a subscription for the pair already."}}
_FLAWED = {
    "422": {
        "description": "Validation Error, or a callback that did not prove itself",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
    }
}


def paths() -> dict[str, Any]:
    """The operations, by path and method."""
    found: dict[str, Any] = {}
    for one in _OPERATIONS:
        found.setdefault(f"{SUBSCRIPTION_PATH}{one.path}", {})[one.method] = _described(one)
    return found


def _described(one: _Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Successful Response"}
    if one.answer is not None:
        success["content"] = {"application/json": {"schema": one.answer}}
    described: dict[str, Any] = {
        "tags": ["Webhook Subscription Routes"],
        "summary": f"{one.what} Webhook Subscription{'' if one.path or one.body else 's'}",
        "operationId": f"{one.what.lower()}_webhook_subscription{'' if one.path or one.body else 's'}",
        "responses": {one.status: success, **_REFUSALS},
        "security": [{"ClientIdAuth": [], "ClientSecretAuth": []}],
    }
    if one.path:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": _TEXT}]
        described["responses"] |= _UNKNOWN
    if one.body:
        schema = {"$ref": f"#/components/schemas/{one.body}"}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        described["responses"] |= _DUPLICATE | _FLAWED
    return described


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_EVENT_TYPE = {"$ref": "#/components/schemas/WebhookOperation"}
_DATA_TYPE = {"$ref": "#/components/schemas/ExtApiV2DataType"}

SCHEMAS: Final = {
    "WebhookOperation": {"type": "string", "enum": [*EVENT_TYPES]},
    "ExtApiV2DataType": {"type": "string", "enum": [*DATA_TYPES]},
    _MODEL: _object(
        ["id", "callback_url", "event_type", "data_type", "expiration_time"],
        id={"type": "string", "format": "uuid4"},
        callback_url=_TEXT,
        event_type=_EVENT_TYPE,
        data_type=_DATA_TYPE,
        expiration_time={"type": "string", "format": "date-time"},
    ),
    "CreateWebhookSubscriptionRequest": _object(
        ["callback_url", "verification_token", "event_type", "data_type"],
        callback_url=_TEXT,
        verification_token=_TEXT,
        event_type=_EVENT_TYPE,
        data_type=_DATA_TYPE,
    ),
    "UpdateWebhookSubscriptionRequest": _object(
        ["verification_token"],
        verification_token=_TEXT,
        callback_url=_or_null(_TEXT),
        event_type=_or_null(_EVENT_TYPE),
        data_type=_or_null(_DATA_TYPE),
    ),
}

SECURITY: Final = {
    scheme: {"type": "apiKey", "in": "header", "name": header}
    for scheme, header in (("ClientIdAuth", "x-client-id"), ("ClientSecretAuth", "x-client-secret"))
}
