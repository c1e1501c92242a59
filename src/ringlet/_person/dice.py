"""Chance without a state: every number is a hash of who, what for and which day.

Rules:

* A `Cup` belongs to one (seed, user). `cup.dice("night", 738000)` always rolls the same numbers, whatever was
  rolled before, in whichever process, on whichever platform. Nothing here counts calls across dice.
* Only the four basic operations of arithmetic touch a roll: they are exact to the last digit everywhere.
  The one table that needs more (`GAUSS`) is rounded to three decimals, far above any platform's last digit.
* Whatever changes slowly over weeks is a `drift`: a smooth line through hashed knots, so that any day's value
  follows from its two neighbouring knots and from nothing before them.
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

GAUSS: Final = tuple(round(NormalDist().inv_cdf((byte + 0.5) / 256), 3) for byte in range(256))
"""A standard normal deviate for each value of a byte."""


class Dice:
    """An endless row of uniform numbers for one purpose."""

    __slots__ = ("_row", "_seed", "_turn")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._turn = 0
        self._row: Iterator[int] = iter(())

    def word(self) -> int:
        """A whole number below 2**32."""
        for number in self._row:
            return number
        self._row = iter(_WORDS.unpack(shake_128(self._seed + bytes((self._turn,))).digest(_WORDS.size)))
        self._turn = (self._turn + 1) % 256
        return next(self._row)

    def unit(self) -> float:
        """0 <= u < 1."""
        return self.word() / 4294967296

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """low <= n <= high."""
        return low + (self.word() * (high - low + 1) >> 32)

    def chance(self, probability: float) -> bool:
        return self.unit() < probability

    def normal(self) -> float:
        """Mean 0, deviation 1, never beyond 3: a sum of three uniforms, which needs no logarithm."""
        return 2 * (self.unit() + self.unit() + self.unit() - 1.5)

    def pick(self, options: Sequence[_T]) -> _T:
        return options[self.word() * len(options) >> 32]


class Cup:
    """All dice of one simulated person."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int, user: str) -> None:
        self._seed = shake_128(f"ringlet person {seed}\0{user}".encode()).digest(16)

    def dice(self, purpose: str, number: int = 0) -> Dice:
        return Dice(self._seed + f"{purpose}\0{number}\0".encode())

    def stream(self, purpose: str, number: int, length: int) -> bytes:
        """`length` uniform bytes at once, for what is drawn by the minute."""
        return shake_128(self._seed + f"{purpose}\0{number}\0*".encode()).digest(length)

    def drift(self, purpose: str, number: int, period: int) -> float:
        """-1..1, wandering: new knots every `period`, eased in between."""
        knot, step = divmod(number, period)
        before = self._knot(purpose, knot)
        x = step / period
        return before + (self._knot(purpose, knot + 1) - before) * x * x * (3 - 2 * x)

    def uuid(self, purpose: str, number: int) -> str:
        """A UUID with the version and variant bits of a random one."""
        digits = self.stream(f"id {purpose}", number, 16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _knot(self, purpose: str, knot: int) -> float:
        return int.from_bytes(self.stream(f"drift {purpose}", knot, 2)) / 32767.5 - 1


def ladder(x: float, *steps: tuple[float, float]) -> float:
    """The line through the steps (x ascending), level beyond both ends."""
    x0, y0 = steps[0]
    if x <= x0:
        return y0
    for x1, y1 in steps[1:]:
        if x < x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return y0


def partition(total: int, weights: Sequence[float]) -> list[int]:
    """Whole parts that follow the weights and add up to `total` exactly."""
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
