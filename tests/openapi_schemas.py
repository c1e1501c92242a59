"""Validates JSON values against the schemas of an OpenAPI document, with formats such as `date-time`."""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator


class OpenAPISchemas:
    """Compiles each schema once, because compiling takes longer than validating a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._compiled: dict[str, Draft202012Validator] = {}

    def errors(self, schema: dict[str, Any], value: object) -> list[str]:
        """Where a value differs from a schema of the document, and how; empty if it is valid."""
        key = json.dumps(schema)
        if key not in self._compiled:
            # References of the schema, `#/components/schemas/...`, are looked up in the schema itself.
            whole = schema | {"components": self._components}
            self._compiled[key] = Draft202012Validator(whole, validate_formats=True, offline=True)
        found = self._compiled[key].iter_errors(value)
        return [f"{'/'.join(map(str, one.instance_path))}: {one.message}"[:300] for one in found]
