"""Your Oura data, both ends of the wire: ringlet asks (client), answers (cloud), remembers (archive) and
keeps up (sync). This file is a door, not a hall: the names people write, loaded when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .archive import Archive
    from .catalog import TYPES, Catalog
    from .client import AsyncClient, Client, FileWallet, MemoryWallet
    from .errors import RingletError
    from .oauth import App, Tokens
    from .wire import Patience

_ROOMS = {
    "App": "oauth",
    "Archive": "archive",
    "AsyncClient": "client",
    "Catalog": "catalog",
    "Client": "client",
    "FileWallet": "client",
    "MemoryWallet": "client",
    "Patience": "wire",
    "RingletError": "errors",
    "TYPES": "catalog",
    "Tokens": "oauth",
}

__all__ = [
    "TYPES",
    "App",
    "Archive",
    "AsyncClient",
    "Catalog",
    "Client",
    "FileWallet",
    "MemoryWallet",
    "Patience",
    "RingletError",
    "Tokens",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
