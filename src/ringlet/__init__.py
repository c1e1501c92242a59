"""The public names of ringlet: a typed client of Oura's API, an archive of its data, and their values.

The module of a name is imported when the name is first used, so `import ringlet` alone is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._api.catalog import TYPES, Catalog
    from ._api.wire import RetryPolicy
    from ._oauth.grant import App, Tokens
    from ._oauth.scopes import SCOPES
    from .archive import Archive
    from .client import AsyncClient, Client, FileTokenStore, MemoryTokenStore
    from .errors import RingletError

_MODULES = {
    "App": "_oauth.grant",
    "Archive": "archive",
    "AsyncClient": "client",
    "Catalog": "_api.catalog",
    "Client": "client",
    "FileTokenStore": "client",
    "MemoryTokenStore": "client",
    "RetryPolicy": "_api.wire",
    "RingletError": "errors",
    "SCOPES": "_oauth.scopes",
    "TYPES": "_api.catalog",
    "Tokens": "_oauth.grant",
}
"""The module that each public name is imported from."""

__all__ = [
    "SCOPES",
    "TYPES",
    "App",
    "Archive",
    "AsyncClient",
    "Catalog",
    "Client",
    "FileTokenStore",
    "MemoryTokenStore",
    "RetryPolicy",
    "RingletError",
    "Tokens",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
