"""Hashes secrets for storage (SHA-256), and compares secrets in constant time.

Rules of this file:
* Only long random secrets are stored as hashes. They cannot be guessed, so a fast hash without salt is
  enough. The passphrase, which people choose, is not stored at all.
* Secrets are compared by these functions and never by `==`, whose duration reveals where two strings differ.
"""

from __future__ import annotations

import hashlib
import hmac


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 hash of a secret, which is stored instead of the secret."""
    # A secret from a request may contain surrogates, which plain UTF-8 cannot encode. Such a secret must be
    # refused as wrong, without a UnicodeEncodeError.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_same_secret(given: str, expected: str) -> bool:
    """Whether two secrets are equal; the duration depends on neither their difference nor their length."""
    return hmac.compare_digest(hash_secret(given), hash_secret(expected))


def matches_hash(secret: str, stored: bytes) -> bool:
    """Whether a secret has this stored hash. The comparison takes constant time."""
    return hmac.compare_digest(hash_secret(secret), stored)
