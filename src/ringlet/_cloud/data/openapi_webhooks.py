"""The webhook part of `/openapi.json`: the six subscription operations, named as in Oura's OpenAPI files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..._webhooks.events import DATA_TYPES, EVENT_TYPES
from ..._webhooks.subscriptions import SUBSCRIPTION_PATH

_MODEL: Final = "WebhookSubscriptionModel"
_SUBSCRIPTION: Final = {"$ref": f"#/components/schemas/{_MODEL}"}
_TEXT = {"type": "string"}


class _Operation(NamedTuple):
    method: str
    path: str
    what: str
    status: str = "200"
    answer: Mapping[str, Any] | None = _SUBSCRIPTION
    body: str = ""


_OPERATIONS = (
    _Operation("get", "", "List", answer={"type": "array", "items": _SUBSCRIPTION}),
    _Operation("post", "", "Create", "201", body="CreateWebhookSubscriptionRequest"),
    _Operation("get", "/{id}", "Get"),
    _Operation("put", "/{id}", "Update", body="UpdateWebhookSubscriptionRequest"),
    _Operation("delete", "/{id}", "Delete", "204", None),
    _Operation("put", "/renew/{id}", "Renew"),
)
_REFUSALS = {
    "401": {"description": "The client id or client secret is missing or wrong."},
    "429": {"description": "Too many requests, or too many failed authentications."},
}
_UNKNOWN = {"403": {"description": "Webhook with specified id does not exist."}}
_DUPLICATE = {"409": {"description": "The application has a subscription for these types already."}}
_FLAWED = {
    "422": {
        "description": "Validation Error, or the callback did not answer its challenge",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
    }
}


def paths() -> dict[str, Any]:
    """The OpenAPI path items of the subscription operations, by path and method."""
    found: dict[str, Any] = {}
    for operation in _OPERATIONS:
        methods = found.setdefault(f"{SUBSCRIPTION_PATH}{operation.path}", {})
        methods[operation.method] = _described(operation)
    return found


def _described(operation: _Operation) -> dict[str, Any]:
    plural = "" if operation.path or operation.body else "s"
    success: dict[str, Any] = {"description": "Successful Response"}
    if operation.answer is not None:
        success["content"] = {"application/json": {"schema": operation.answer}}
    described: dict[str, Any] = {
        "tags": ["Webhook Subscription Routes"],
        "summary": f"{operation.what} Webhook Subscription{plural}",
        "operationId": f"{operation.what.lower()}_webhook_subscription{plural}",
        "responses": {operation.status: success, **_REFUSALS},
        "security": [{"ClientIdAuth": [], "ClientSecretAuth": []}],
    }
    if operation.path:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": _TEXT}]
        described["responses"] |= _UNKNOWN
    if operation.body:
        schema = {"$ref": f"#/components/schemas/{operation.body}"}
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
