"""Episodes: batches of people seen by simulated sources that come, go and change in mid-motion.

An episode is longer than a training window: its windows follow one another with the network's state
carried over, so that the network learns to live with a long past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.humanoid import mirrored
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.motion.model.body import (
    CANONICAL_OFFSETS,
    COUNT,
    INDEX,
    MIRROR,
    rotation_from_vector,
    turn_y,
)
from twinsdk.motion.model.slots import MARKS, STYLES, Seen, Source, encode
from twinsdk.motion.training.corpus import Clip, mirror
from twinsdk.motion.training.noise import TrackerNoise, slow_noise
from twinsdk.motion.training.scenes import Scene, see, targets_of
from twinsdk.motion.training.takes import Take, rotations_of

__all__ = ["Episode", "EpisodeConfig", "Episodes"]

_TRACKED = np.array([INDEX[name] for name in TRACKER_NAMES])
_IDLE = STYLES.index("idle")
_STRIDES = ((1, 0.1), (2, 0.7), (3, 0.1), (4, 0.1))  # of 60 fps
_MARK_NAMES = [BODY_NAMES[int(i)] for i in MARKS]
_MARK_MIRROR = np.array([_MARK_NAMES.index(mirrored(name)) for name in _MARK_NAMES])


@dataclass(frozen=True, kw_only=True)
class EpisodeConfig:
    """What episodes are made of.

    Attributes:
        rows: People at once.
        frames: Longest episode, frames.
        webcam: Share of rows seen by a webcam.
        switched: Share of webcam rows that change to trackers or back in mid-motion.
        nothing: Share of rows that see nothing for a while.
        more_trackers: Share of tracker rows with hips, feet or all six.
        trembling: Share of webcam rows with more white noise than the takes have.
        hands_lost: Share of tracker rows whose hands go out of sight for a while.
        idle_share: Weight of idle clips against their length.
        canonical: Share of rows on the 1.70 m skeleton instead of the person's own.
        scaling: Largest relative change of body size and, apart from it, of each bone.
        speed: Largest relative change of speed.
        bones_hidden: Share of rows whose bone lengths the network is not told.
        style_hidden: Share of rows whose style it is not told.
    """

    rows: int = 24
    frames: int = 160
    webcam: float = 0.45
    switched: float = 0.12
    nothing: float = 0.2
    more_trackers: float = 0.3
    trembling: float = 0.6
    hands_lost: float = 0.25
    idle_share: float = 0.25
    canonical: float = 0.3
    scaling: float = 0.06
    speed: float = 0.1
    bones_hidden: float = 0.3
    style_hidden: float = 0.6


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """Rows for the network (B, T, WIDTH), and the arrays of `losses.Targets`, by name."""

    slots: F32
    targets: dict[str, F32]
    source: Array


class Episodes:
    """Draws episodes without end; the seed and the count of those drawn decide each one."""

    def __init__(
        self,
        clips: Sequence[Clip],
        takes: Sequence[Take],
        config: EpisodeConfig,
        *,
        seed: int,
        noise: TrackerNoise | None = None,
    ) -> None:
        self.config = config
        self._clips = clips
        self._takes = takes
        self._seed = seed
        self._noise = noise or TrackerNoise()
        share = np.array([0.0 + config.idle_share if c.style == _IDLE else 1.0 for c in clips])
        seconds = np.array([min(len(c) / c.fps, 1e9) for c in clips])
        self._by_length = share * seconds / (share * seconds).sum()
        frames = np.array([len(take.frames) * 1.0 for take in takes])
        self._by_take = frames / frames.sum() if len(takes) else frames

    def draw(self, index: int) -> Episode:
        """Return episode number `index`."""
        rng = np.random.default_rng([self._seed, index])
        scene = self._scene(rng)
        seen, held_yaw = see(scene, rng, self._noise)
        return _encoded(scene, seen, held_yaw)

    def _scene(self, rng: np.random.Generator) -> Scene:
        c = self.config
        rows = [
            self._webcam_row(rng)
            if len(self._takes) and rng.random() < c.webcam
            else self._tracker_row(rng)
            for _ in range(c.rows)
        ]
        return Scene(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})

    def _tracker_row(self, rng: np.random.Generator) -> dict[str, Array]:
        c = self.config
        clip = self._clips[int(rng.choice(len(self._clips), p=self._by_length))]
        stride = int(rng.choice([s for s, _ in _STRIDES], p=[p for _, p in _STRIDES]))
        stride = max(1, round(stride * clip.fps / 60))
        longest = min(c.frames, (len(clip) - 1) // stride + 1)
        start = int(rng.integers(0, len(clip) - (longest - 1) * stride))
        frames = start + stride * np.arange(longest)
        row = self._truth(rng, clip, frames, float(rng.uniform(-np.pi, np.pi)))
        row["source"] = np.full(c.frames, Source.TRACKERS)
        row["tracker_seen"] = self._trackers(rng, float(row["dt"]))
        return self._with_gaps(rng, row)

    def _webcam_row(self, rng: np.random.Generator) -> dict[str, Array]:
        c = self.config
        take = self._takes[int(rng.choice(len(self._takes), p=self._by_take))]
        clip = self._clips[take.clip]
        begin = int(rng.integers(0, max(1, len(take.frames) - c.frames + 1)))
        part = slice(begin, begin + c.frames)
        fit, fit_root = rotations_of(take)[part], take.root[part]
        marks = take.landmarks[part][:, MARKS].astype(np.float32)
        sure = take.visibility[part][:, MARKS].astype(np.float32)
        confidence = take.confidence[part].astype(np.float32)
        flip = rng.random() < 0.5
        row = self._truth(rng, clip, take.frames[part], take.heading, flip=flip, speed=False)
        if flip:
            fit, fit_root = mirror(fit, fit_root)
            marks = marks[:, _MARK_MIRROR] * np.array([-1, 1, 1], np.float32)
            sure, confidence = sure[:, _MARK_MIRROR], confidence[:, MIRROR]
        marks, fit = self._trembling(rng, marks, fit)
        pad = c.frames - len(fit)
        row["fit"], row["fit_root"] = _padded(fit, pad), _padded(fit_root, pad)
        row["landmarks"], row["visibility"] = _padded(marks, pad), _padded(sure, pad)
        row["confidence"] = _padded(confidence, pad)
        row["source"] = np.full(c.frames, Source.WEBCAM)
        row["tracker_seen"] = self._trackers(rng, take.dt)
        if rng.random() < c.switched:
            at = int(rng.integers(20, max(21, len(take.frames[part]) - 20)))
            after = slice(at, None) if rng.random() < 0.5 else slice(None, at)
            row["source"][after] = Source.TRACKERS
        return self._with_gaps(rng, row)

    def _trembling(self, rng: np.random.Generator, marks: Array, fit: Array) -> tuple[F32, F32]:
        """Return landmarks with more white noise than was filmed, and a fit as shaken by it.

        Other trackers, pictures and lights tremble more than the one the takes were measured on.
        """
        if rng.random() >= self.config.trembling:
            return marks, fit
        sigma = float(np.exp(rng.uniform(np.log(0.002), np.log(0.010))))
        white = rng.standard_normal(marks.shape) * (sigma, sigma, 2.5 * sigma)
        shake = slow_noise(rng, len(fit), (COUNT, 3), keep=0.6) * (2.0 * sigma)
        turned = fit @ rotation_from_vector(shake.astype(np.float32))
        return (marks + white).astype(np.float32), turned.astype(np.float32)

    def _truth(
        self,
        rng: np.random.Generator,
        clip: Clip,
        frames: Array,
        heading: float,
        *,
        flip: bool | None = None,
        speed: bool = True,
    ) -> dict[str, Array]:
        """Return the truth of a row, turned by `heading` and perhaps mirrored after it."""
        c = self.config
        pad = c.frames - len(frames)
        turn = turn_y(heading)
        flip = rng.random() < 0.5 if flip is None else flip
        offsets = clip.offsets
        if rng.random() < c.canonical:
            offsets = CANONICAL_OFFSETS
        grown = _grown(offsets, rng, c.scaling)
        legs = _leg_m(grown) / _leg_m(clip.offsets)
        local = clip.rotations[frames].copy()
        local[:, 0] = turn @ local[:, 0]
        root = clip.root[frames] @ turn.T * legs
        contacts = clip.contacts[frames].astype(np.float32)
        if flip:
            local, root = mirror(local, root)
            contacts = contacts[:, [2, 3, 0, 1]]
            grown = grown[MIRROR] * np.array([-1, 1, 1], np.float32)
        dt = float(frames[1] - frames[0]) / clip.fps if len(frames) > 1 else 1 / 30
        if speed:
            dt *= float(rng.uniform(1 - c.speed, 1 + c.speed))
        n = c.frames
        return {
            "local": _padded(local, pad),
            "root": _padded(root, pad),
            "contacts": _padded(contacts, pad),
            "offsets": grown,
            "dt": np.array(dt, np.float32),
            "valid": (np.arange(n) < len(frames)).astype(np.float32),
            "landmarks": np.zeros((n, len(MARKS), 3), np.float32),
            "visibility": np.zeros((n, len(MARKS)), np.float32),
            "fit": np.broadcast_to(np.eye(3, dtype=np.float32), (n, COUNT, 3, 3)),
            "fit_root": np.zeros((n, 3), np.float32),
            "confidence": np.zeros((n, COUNT), np.float32),
            "bones_known": np.array(rng.random() >= c.bones_hidden, np.float32),
            "style": np.array(-1 if rng.random() < c.style_hidden else clip.style, np.int64),
        }

    def _trackers(self, rng: np.random.Generator, dt: float) -> F32:
        """Return which of six trackers are seen (T, 6)."""
        c = self.config
        seen = np.zeros((c.frames, len(TRACKER_NAMES)), np.float32)
        seen[:, :3] = 1
        if rng.random() < c.more_trackers:
            kind = int(rng.integers(3))
            seen[:, 3] = kind != 1
            seen[:, 4:] = kind != 0
        if rng.random() < c.hands_lost:
            for _ in range(int(rng.integers(1, 4))):
                length = int(rng.uniform(0.2, 3.0) / dt)
                start = int(rng.integers(0, c.frames))
                lost = [[1], [2], [1, 2]][int(rng.integers(3))]
                seen[start : start + length, lost] = 0
        return seen

    def _with_gaps(self, rng: np.random.Generator, row: dict[str, Array]) -> dict[str, Array]:
        c = self.config
        if rng.random() < c.nothing:
            length = int(rng.uniform(0.3, 2.5) / float(row["dt"]))
            start = int(rng.integers(12, c.frames))
            row["source"][start : start + length] = Source.NOTHING
        return row


def _encoded(scene: Scene, seen: Seen, places: Array) -> Episode:
    batch, count = scene.valid.shape
    flat = {
        name: getattr(seen, name).reshape(batch * count, *getattr(seen, name).shape[2:])
        for name in Seen.__dataclass_fields__
    }
    now = Seen(**flat)
    before_index = np.maximum(np.arange(count) - 1, 0)
    index = (np.arange(batch)[:, None] * count + before_index).ravel()
    before = Seen(**{name: value[index] for name, value in flat.items()})
    dt = np.repeat(scene.dt, count)
    slots = encode(now, before, dt).reshape(batch, count, -1)
    return Episode(slots=slots, targets=targets_of(scene, seen, places), source=scene.source)


def _padded(array: Array, pad: int) -> Array:
    return np.concatenate([array, np.repeat(array[-1:], pad, axis=0)]) if pad else array


def _leg_m(offsets: Array) -> float:
    names = ("leftLowerLeg", "leftFoot", "rightLowerLeg", "rightFoot")
    return float(sum(np.linalg.norm(offsets[INDEX[name]]) for name in names) / 2)


def _grown(offsets: Array, rng: np.random.Generator, most: float) -> F32:
    """Return the skeleton scaled as a whole and bone by bone, alike on both sides."""
    whole = rng.uniform(1 - most, 1 + most)
    own = rng.uniform(1 - most / 2, 1 + most / 2, COUNT)
    own = (own + own[MIRROR]) / 2
    return np.asarray(offsets * (whole * own)[:, None], np.float32)
