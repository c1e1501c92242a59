"""Random numbers that are computed by hashing a seed, a user name, a purpose and a number such as a day.

Rules of this file:

* `RandomStreams` belongs to one seed and user. `streams.stream("night", 738000)` always gives the same
  numbers, in any process, on any platform, and whatever other numbers were drawn before.
* The purpose ("night") is hashed, so renaming a purpose changes all simulated wearers.
* Numbers are computed by addition, subtraction, multiplication and division only, whose results IEEE 754
  defines to the last bit; `log` and `sqrt` differ between C libraries. `NORMAL_DEVIATES` needs other
  functions and is rounded to three decimals, so that such differences vanish.
* A value that changes slowly over weeks is computed by `drift`, as a smooth curve through hashed values. So
  the value of a day depends only on the hashed values before and after it, and not on earlier days.
"""

from __future__ import annotations

from hashlib import shake_128
from statistics import NormalDist
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_T = TypeVar("_T")
_WORDS: Final = Struct(">32I")

NORMAL_DEVIATES: Final = tuple(round(NormalDist().inv_cdf((byte + 0.5) / 256), 3) for byte in range(256))
"""A number of the standard normal distribution for each value of a byte."""


class RandomStream:
    """An endless stream of uniform random numbers for one purpose."""

    __slots__ = ("_block", "_row", "_seed")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._block = 0
        self._row: Iterator[int] = iter(())

    def uint32(self) -> int:
        """A whole number from 0 to 2**32 - 1."""
        for number in self._row:
            return number
        self._row = iter(_WORDS.unpack(shake_128(self._seed + bytes((self._block,))).digest(_WORDS.size)))
        self._block = (self._block + 1) % 256
        return next(self._row)

    def uniform(self) -> float:
        """A number with 0 <= u < 1."""
        return self.uint32() / 4294967296

    def between(self, low: float, high: float) -> float:
        """A number with low <= x < high."""
        return low + (high - low) * self.uniform()

    def integer(self, low: int, high: int) -> int:
        """A whole number with low <= n <= high."""
        return low + (self.uint32() * (high - low + 1) >> 32)

    def chance(self, probability: float) -> bool:
        """True with the given probability (0 to 1)."""
        return self.uniform() < probability

    def normal(self) -> float:
        """A nearly normally distributed number from -3 to 3, with mean 0 and standard deviation 1.

        It is a sum of three uniform numbers, because an exactly normal number would need a logarithm.
        """
        return 2 * (self.uniform() + self.uniform() + self.uniform() - 1.5)

    def choice(self, options: Sequence[_T]) -> _T:
        """One of the options, all equally likely."""
        return options[self.uint32() * len(options) >> 32]


class RandomStreams:
    """The random streams of one simulated person."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int, user: str) -> None:
        self._seed = shake_128(f"ringlet person {seed}\0{user}".encode()).digest(16)

    def stream(self, purpose: str, number: int = 0) -> RandomStream:
        """The random stream for a purpose and a number such as a day, from its beginning."""
        return RandomStream(self._seed + f"{purpose}\0{number}\0".encode())

    def random_bytes(self, purpose: str, number: int, length: int) -> bytes:
        """`length` uniform random bytes, which cost less than numbers, for values of every minute."""
        return shake_128(self._seed + f"{purpose}\0{number}\0*".encode()).digest(length)

    def drift(self, purpose: str, number: int, period: int) -> float:
        """A value from -1 to 1 that changes slowly with `number`: a smooth curve through random values.

        There is one random value in every `period` numbers.
        """
        knot, step = divmod(number, period)
        before = self._knot(purpose, knot)
        x = step / period
        return before + (self._knot(purpose, knot + 1) - before) * x * x * (3 - 2 * x)

    def uuid(self, purpose: str, number: int) -> str:
        """A UUID of version 4 (random) for a purpose and a number."""
        digits = self.random_bytes(f"id {purpose}", number, 16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _knot(self, purpose: str, knot: int) -> float:
        return int.from_bytes(self.random_bytes(f"drift {purpose}", knot, 2)) / 32767.5 - 1


def interpolate(x: float, *steps: tuple[float, float]) -> float:
    """The y at `x` of a line through the points `steps`, with ascending x; constant beyond its ends."""
    x0, y0 = steps[0]
    if x <= x0:
        return y0
    for x1, y1 in steps[1:]:
        if x < x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return y0


def partition(total: int, weights: Sequence[float]) -> list[int]:
    """Divide `total` into whole numbers in proportion to the weights. Their sum is exactly `total`."""
    whole = sum(weights)
    parts: list[int] = []
    running, given = 0.0, 0
    for weight in weights:
        running += weight
        upto = int(total * running / whole + 0.5)
        parts.append(upto - given)
        given = upto
    parts[-1] += total - given
    return parts
