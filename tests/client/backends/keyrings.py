"""Keyrings for tests, chosen by PYTHON_KEYRING_BACKEND: one in a file, a locked one, one that refuses."""

import json
import os
from pathlib import Path
from threading import Event

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class InAFile(KeyringBackend):
    """Shared by all processes that name the same KEYRING_FILE."""

    priority = 1

    def _all(self):
        path = Path(os.environ["KEYRING_FILE"])
        return json.loads(path.read_text()) if path.exists() else {}

    def _keep(self, entries):
        path = Path(os.environ["KEYRING_FILE"])
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(entries))
        beside.replace(path)

    def get_password(self, service, username):
        return self._all().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self._keep(self._all() | {f"{service}/{username}": password})

    def delete_password(self, service, username):
        entries = self._all()
        if f"{service}/{username}" not in entries:
            raise PasswordDeleteError
        del entries[f"{service}/{username}"]
        self._keep(entries)


class Locked(InAFile):
    """Asks its owner in a window that nobody sees."""

    def get_password(self, service, username):
        Event().wait()


class Refusing(InAFile):
    """Its owner pressed Cancel."""

    def get_password(self, service, username):
        raise KeyringLocked("hush")
