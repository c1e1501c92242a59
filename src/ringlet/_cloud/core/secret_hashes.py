"""What is kept of a secret: its SHA-256, and one way of comparing.

Rules of this file:
* Only what is random and long is digested here: a fast digest is enough where nothing can be guessed. What
  people choose themselves is never stored.
* Secrets are compared here, in constant time, and nowhere by `==`.
"""

from __future__ import annotations

import hashlib
import hmac


def hash_secret(secret: str) -> bytes:
    """What is stored in place of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_same_secret(given: str, expected: str) -> bool:
    """Whether two secrets are one, at the same cost wherever they differ and however long they are."""
    return hmac.compare_digest(hash_secret(given), hash_secret(expected))


def matches_hash(secret: str, stored: bytes) -> bool:
    """Whether a secret is the one that was stored."""
    return hmac.compare_digest(hash_secret(secret), stored)
