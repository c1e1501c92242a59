"""The data routes: query parameters, pages, fields, the sandbox, and the OpenAPI document."""
