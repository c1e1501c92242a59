"""What is stored of a secret, its SHA-256, and the comparison of secrets in constant time.

Rules of this file:
* Only long random secrets are hashed here. Nobody can guess those, so a fast hash without salt is enough.
  What people choose themselves (a passphrase) is not stored at all.
* Secrets are compared by these functions, never by `==`, whose time tells where two strings differ.
"""

from __future__ import annotations

import hashlib
import hmac


def hash_secret(secret: str) -> bytes:
    """What is stored in place of a secret."""
    # Secrets come from requests and may hold surrogates; those must be refused as wrong, not raise.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_same_secret(given: str, expected: str) -> bool:
    """Compare two secrets; the time depends on neither where they differ nor how long they are."""
    return hmac.compare_digest(hash_secret(given), hash_secret(expected))


def matches_hash(secret: str, stored: bytes) -> bool:
    """Compare a secret with a stored hash."""
    return hmac.compare_digest(hash_secret(secret), stored)
