"""Who is who among several people: chosen once, held through crossings, known again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from twinsdk.capture.alive import Alive
from twinsdk.capture.regions import Square
from twinsdk.core.arrays import F32, U8, Array

__all__ = ["SAME_BODY", "Glimpse", "Roster", "colours_of"]

_SEEN = 0.5  # visibility above which a point counts
_LIMBS_FROM = 11  # the points before are the face's
_SHOULDERS, _HIPS = (11, 12), (23, 24)
_HUES, _SATURATIONS, _VALUES = 12, 3, 4
SAME_BODY = 0.15  # of the extent: points nearer than this on average are one body found twice
_APART = 0.5  # of the extent: middles farther than this are two people standing clear
_STRANGE = 1.2  # cost above which a glimpse is nobody we know
_WRONG = 0.10  # by so much must the other be the likelier for a swap
_WRONG_FRAMES = 3
_MEMORY_S = 1.0  # in which the place somebody was last seen at stops saying who it is
_LEARNING = 0.05
_PRESENT_S = 0.3  # since when somebody seen is still there


@dataclass(frozen=True, kw_only=True, eq=False)
class Glimpse:
    """A body in a picture, as far as it tells who it is.

    Attributes:
        pixels: (33, 2) body points.
        visibility: (33,) in [0, 1].
        colours: (C,) of `colours_of`; zeros where the trunk is out of the picture.
    """

    pixels: F32
    visibility: F32
    colours: F32

    @property
    def middle(self) -> Array:
        """Between the seen points (2,), pixels."""
        return self._seen().mean(0)

    @property
    def extent(self) -> float:
        """Of the seen points, the longer side, pixels."""
        return max(float(np.ptp(self._seen(), axis=0).max()), 1.0)

    @property
    def trunk_px(self) -> float:
        """Length of the trunk or width of the shoulders, pixels: larger is nearer."""
        shoulders, hips = self.pixels[list(_SHOULDERS)], self.pixels[list(_HIPS)]
        width = float(np.linalg.norm(shoulders[0] - shoulders[1]))
        return max(float(np.linalg.norm(shoulders.mean(0) - hips.mean(0))), 1.4 * width)

    def square(self, margin: float) -> Square:
        """Return the square around the body, its side `margin` times the extent."""
        points = self._seen()
        x, y = (points.min(0) + points.max(0)) / 2
        return Square(x=float(x), y=float(y), side=self.extent * margin)

    def distance(self, other: Glimpse) -> float:
        """Return the mean distance of the points both show, in extents."""
        both = (self.visibility > _SEEN) & (other.visibility > _SEEN)
        both[:_LIMBS_FROM] = False
        if not both.any():
            return float(np.linalg.norm(self.middle - other.middle)) / self.extent
        away = np.linalg.norm(self.pixels[both] - other.pixels[both], axis=-1).mean()
        return float(away) / max(self.extent, other.extent)

    def _seen(self) -> Array:
        seen = self.visibility > _SEEN
        return self.pixels[seen] if seen.sum() >= 3 else self.pixels


def colours_of(picture: U8, pixels: F32) -> F32:
    """Return how often which colour is on the trunk: hue by saturation, and brightness (40,).

    The sum is 1; zeros where no trunk is in the picture.

    Args:
        picture: (H, W, 3) RGB.
        pixels: (33, 2) body points.
    """
    import cv2

    trunk = pixels[[*_SHOULDERS, *_HIPS]]
    low, high = trunk.min(0), trunk.max(0)
    low[0], high[0] = low[0] + 0.1 * (high[0] - low[0]), high[0] - 0.1 * (high[0] - low[0])
    x0, y0 = np.maximum(low, 0).astype(int)
    x1, y1 = np.minimum(high, [picture.shape[1], picture.shape[0]]).astype(int)
    bins = np.zeros(_HUES * _SATURATIONS + _VALUES, np.float32)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return bins
    step = max(1, min(x1 - x0, y1 - y0) // 32)
    hsv = cv2.cvtColor(np.ascontiguousarray(picture[y0:y1:step, x0:x1:step]), cv2.COLOR_RGB2HSV)
    hue, saturation, value = hsv.reshape(-1, 3).astype(np.int64).T
    # A grey's hue is noise: grey counts by its brightness alone.
    colourful = (saturation > 50) & (value > 40)
    cell = hue * _HUES // 180 * _SATURATIONS + saturation * _SATURATIONS // 256
    bins[: _HUES * _SATURATIONS] = np.bincount(cell[colourful], minlength=_HUES * _SATURATIONS)
    bins[_HUES * _SATURATIONS :] = np.bincount(value * _VALUES // 256, minlength=_VALUES)
    return np.asarray(bins / bins.sum(), np.float32)


def unlike(a: F32, b: F32) -> float:
    """Return the Bhattacharyya distance of two colour counts, 0 alike to 1 disjoint."""
    if not a.any() or not b.any():
        return 0.5
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))


@dataclass(kw_only=True, eq=False)
class _Known:
    """What is remembered of one person."""

    glimpse: Glimpse
    colours: F32
    seen_ns: int
    alive: Alive = field(default_factory=Alive)

    def cost(self, glimpse: Glimpse, now_ns: int) -> float:
        """Return how unlikely it is that `glimpse` is this person; below 1.2 is likely."""
        near = np.exp(-max(now_ns - self.seen_ns, 0) / (_MEMORY_S * 1e9))
        away = float(np.linalg.norm(glimpse.middle - self.glimpse.middle)) / self.glimpse.extent
        return near * min(away, 2.0) + 1.5 * unlike(self.colours, glimpse.colours)


class Roster:
    """The people who are followed, by number from 0; who left keeps the number for a while.

    Somebody who has never moved, a poster say, gives theirs up to whoever is there and moves.

    Args:
        people: How many are followed at most.
        choice: Whom to take first: a word of `CHOICES`, or the one nearest to a pixel.
        forget_s: Seconds after which a number is given to somebody else.
    """

    def __init__(
        self,
        people: int,
        choice: str | tuple[float, float] = "largest",
        *,
        forget_s: float = 10.0,
    ) -> None:
        self.choice = choice
        self._people = people
        self._forget_ns = forget_s * 1e9
        self._known: dict[int, _Known] = {}
        self._doubts: dict[tuple[int, int], int] = {}
        self._strangers: list[_Known] = []

    def assign(self, glimpses: Sequence[Glimpse], now_ns: int) -> dict[int, Glimpse]:
        """Return who of all that a picture shows is whom: those known, then newcomers chosen."""
        numbers = list(self._known)
        out: dict[int, Glimpse] = {}
        if numbers and glimpses:
            cost = np.array([[self._known[n].cost(g, now_ns) for g in glimpses] for n in numbers])
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                if cost[row, column] < _STRANGE:
                    out[numbers[row]] = glimpses[column]
        taken = {id(glimpse) for glimpse in out.values()}
        others = [
            glimpse
            for glimpse in self._in_order(glimpses)
            if id(glimpse) not in taken and not self._beside_somebody(glimpse, now_ns)
        ]
        self._meet(others, now_ns)
        free = self._free(now_ns)
        for number, glimpse in zip(free, others, strict=False):
            self._known.pop(number, None)
            out[number] = glimpse
        living = [s.glimpse for s in self._strangers if s.alive.moved]
        waiting = [glimpse for glimpse in others[len(free) :] if glimpse in living]
        for number, glimpse in zip(self.lifeless(now_ns), waiting, strict=False):
            self._known.pop(number)
            out[number] = glimpse
        for number, glimpse in out.items():
            self.see(number, glimpse, now_ns)
        return out

    def see(self, number: int, glimpse: Glimpse, now_ns: int, *, clear: bool = True) -> None:
        """Remember where a person is, and, where nobody stands before them, their colours."""
        known = self._known.get(number)
        if known is None:
            known = _Known(glimpse=glimpse, colours=glimpse.colours, seen_ns=now_ns)
            self._known[number] = known
        _watch(known, glimpse, now_ns)
        known.glimpse, known.seen_ns = glimpse, now_ns
        if clear and glimpse.colours.any():
            known.colours = known.colours + _LEARNING * (glimpse.colours - known.colours)

    def lifeless(self, now_ns: int) -> list[int]:
        """Return who has been followed for a while and never moved."""
        return [n for n, known in self._known.items() if known.alive.lifeless(now_ns)]

    def knows(self, number: int) -> bool:
        """Return whether somebody has that number."""
        return number in self._known

    def last(self, number: int) -> Glimpse:
        """Return the last glimpse of a known person."""
        return self._known[number].glimpse

    def forget(self, choice: str | tuple[float, float]) -> None:
        """Forget everybody; the next picture is chosen from by `choice`."""
        self.choice = choice
        self._known.clear()
        self._doubts.clear()
        self._strangers.clear()

    def doubles(self, seen: dict[int, Glimpse]) -> list[int]:
        """Return who is on another's body: of two on one body the one it fits less."""
        out: list[int] = []
        for a, b in combinations(seen, 2):
            if a in out or b in out or seen[a].distance(seen[b]) > SAME_BODY:
                continue
            misfit = {n: unlike(self._known[n].colours, seen[n].colours) for n in (a, b)}
            out.append(max(misfit, key=lambda n: misfit[n]))
        return out

    def clear(self, number: int, seen: dict[int, Glimpse]) -> bool:
        """Return whether nobody else is near a person."""
        own = seen[number]
        return all(
            np.linalg.norm(own.middle - other.middle) > _APART * own.extent
            for n, other in seen.items()
            if n != number
        )

    def swapped(self, seen: dict[int, Glimpse]) -> list[tuple[int, int]]:
        """Return pairs who, by their colours, have been each other for some frames."""
        out = []
        for pair in combinations(sorted(seen), 2):
            (a, b), (own, other) = pair, (self._known[n].colours for n in pair)
            straight = unlike(own, seen[a].colours) + unlike(other, seen[b].colours)
            crossed = unlike(own, seen[b].colours) + unlike(other, seen[a].colours)
            wrong = crossed + _WRONG < straight
            self._doubts[pair] = self._doubts.get(pair, 0) + 1 if wrong else 0
            if self._doubts[pair] >= _WRONG_FRAMES:
                self._doubts[pair] = 0
                out.append(pair)
        return out

    def _beside_somebody(self, glimpse: Glimpse, now_ns: int) -> bool:
        """Return whether somebody is there already; one person is at times found twice."""
        return any(
            now_ns - known.seen_ns < _PRESENT_S * 1e9
            and np.linalg.norm(known.glimpse.middle - glimpse.middle) < _APART * glimpse.extent
            for known in self._known.values()
        )

    def _meet(self, others: Sequence[Glimpse], now_ns: int) -> None:
        """Remember those who are not followed, and whether they move."""
        before, self._strangers = self._strangers, []
        for glimpse in others:
            known = min(before, key=lambda s: s.cost(glimpse, now_ns), default=None)
            if known is None or known.cost(glimpse, now_ns) >= _STRANGE:
                known = _Known(glimpse=glimpse, colours=glimpse.colours, seen_ns=now_ns)
            else:
                before = [s for s in before if s is not known]
            _watch(known, glimpse, now_ns)
            known.glimpse, known.seen_ns = glimpse, now_ns
            self._strangers.append(known)

    def _free(self, now_ns: int) -> list[int]:
        stale = [n for n, k in self._known.items() if now_ns - k.seen_ns > self._forget_ns]
        return sorted({*range(self._people)} - {*self._known} | {*stale})

    def _in_order(self, glimpses: Sequence[Glimpse]) -> list[Glimpse]:
        def rank(glimpse: Glimpse) -> float:
            if self.choice == "nearest":
                return -glimpse.trunk_px
            if self.choice == "left":
                return float(glimpse.middle[0])
            if self.choice == "right":
                return -float(glimpse.middle[0])
            if isinstance(self.choice, tuple):
                return float(np.linalg.norm(glimpse.middle - np.array(self.choice)))
            return -glimpse.extent

        return sorted(glimpses, key=rank)


def _watch(known: _Known, glimpse: Glimpse, now_ns: int) -> None:
    known.alive.see(glimpse.pixels, glimpse.visibility > _SEEN, glimpse.extent, now_ns)
