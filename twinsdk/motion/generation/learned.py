"""A person who moves by what a network has learned: half a second at a time, drawn, without end.

The network reads the last second and draws the next half (`flow`); captured motion is needed for
the first moment alone, and not even then where somebody else's motion is gone on from. Feet that
stand are held; somebody who stays and came away from home is given home as a goal.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.pose import Pose
from twinsdk.errors import UsageError
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.fitting.rest import idle_rotations
from twinsdk.motion.generation.flow import Flow, condition, generator
from twinsdk.motion.generation.performances import BODY, heading, library, styles
from twinsdk.motion.generation.performer import (
    BODY_ROWS,
    STAYS,
    Laid,
    between_frames,
    posed,
    wrapped,
)
from twinsdk.motion.generation.windows import (
    FPS,
    LENGTH,
    PAST,
    POSTURE,
    REACH,
    goals,
    pasts,
    poses_of,
    track_of,
)
from twinsdk.motion.model.body import turn_y
from twinsdk.motion.model.slots import STYLES
from twinsdk.motion.score import contacts_of

__all__ = ["LearnedPerformer", "learned_styles"]

_KEPT = PAST[-1] + 1
_SEAM = 0.6  # of what a window begins off the way it was going, so much is left a frame later
_HOME_M, _HOME_TURN = 0.15, 0.6  # metres and radians from which somebody who stays goes home
_HOMEWARD = 60  # frames in which they would be there
_STANDS, _LIFTS = 0.6, 0.4
_TALLEST_M = 2.5  # hips; higher ones are no person's


def learned_styles() -> tuple[str, ...]:
    """Return the styles that the network was told of and there is a first moment for."""
    return tuple(name for name in styles() if name in STYLES)


class LearnedPerformer:
    """Performs on the canonical 1.70 m skeleton for as long as it is asked to.

    Args:
        style: One of `learned_styles()`.
        seed: The same seed, steps and beginning give the same motion.
        start: Poses before the first, best a second of them: it goes on from the last.
        start_fps: Frames a second of `start`.
        end: A pose to arrive at, `end_s` seconds after the beginning, nearly.
        flow: Weights; None is the package's.
        heat: How far from the likeliest is drawn; 1 is as people are.

    Raises:
        UsageError: There is no such style.
        SkeletonMismatchError: `start` or `end` is on another skeleton.
        ModelMissingError, FormatError: See `flow.read_flow`.
    """

    def __init__(
        self,
        style: str = "idle",
        *,
        seed: int = 0,
        start: tuple[Pose, ...] = (),
        start_fps: float = 30.0,
        end: Pose | None = None,
        end_s: float = 0.0,
        flow: Flow | None = None,
        heat: float = 1.0,
    ) -> None:
        if style not in learned_styles():
            raise UsageError(f"style: expected one of {', '.join(learned_styles())}, got {style!r}")
        self._flow = generator() if flow is None else flow
        self._style, self._heat = style, heat
        self._rng = np.random.default_rng([seed, 2])
        self._feet = FootHolder(BODY)
        self._rest = idle_rotations() if not start else start[-1].rotations.astype(np.float64)
        rotations, root = _sampled(start, start_fps) if start else self._captured()
        contacts = contacts_of(BODY, BODY.forward(rotations.astype(np.float32), root)[1], FPS)
        self._rotations, self._root = rotations, root
        self._contacts = contacts.astype(np.float32)
        self._end = None if end is None else _body_of(end)
        self._frames_left = round(end_s * FPS)
        self._standing = np.asarray(contacts[-1], bool)
        self._home = (float(heading(rotations[-1, 0])), root[-1].copy())
        self._at = float(len(root) - 1)

    def step(self, step_s: float) -> Pose:
        """Return the pose `step_s` seconds later; 0 gives the present one."""
        step_s = max(0.0, step_s)
        rotations, root, standing = self.advance(step_s)
        return posed(*self._feet.step(rotations, root, standing, step_s), rest=self._rest)

    def advance(self, step_s: float) -> tuple[Array, Array, Array]:
        """Return rotations (22, 4), root (3,) and standing feet (4,) before feet are held."""
        self._at += step_s * FPS
        while self._at > len(self._root) - 1:
            self._draw()
        t = min(int(self._at), len(self._root) - 1)
        ahead = min(t + 1, len(self._root) - 1)
        rotations, root = between_frames(self._rotations, self._root, t, ahead, self._at - t)
        sure = self._contacts[t]
        self._standing = np.where(self._standing, sure > _LIFTS, sure > _STANDS)
        return rotations, root, self._standing

    def _draw(self) -> None:
        """Draw the next half second and forget what is more than a second old."""
        style = STYLES.index(self._style)
        past = slice(max(0, len(self._root) - _KEPT), None)
        clips = [
            (
                quat.to_matrix(self._rotations[past]).astype(np.float32),
                self._root[past].astype(np.float32),
                self._contacts[past],
                style,
            )
        ]
        end, frames_left = self._goal()
        if end is not None:
            turns, root = end
            clips.append((turns[None], root[None], np.zeros((1, 4), np.float32), style))
        track = track_of(clips)
        last = len(self._root[past]) - 1
        now = np.array([last])
        before, own = pasts(track, now)
        goal = frames = None
        if end is not None:
            # The end is seen from the nearer side of the turn.
            turn = track.headings[last + 1] - track.headings[last]
            track.headings[last + 1] -= 2 * np.pi * np.round(turn / (2 * np.pi))
            frames = np.array([frames_left])
            goal = goals(track, now, np.array([1]))
        told = condition(self._flow.bases, before, own, track.styles[now], goal=goal, frames=frames)
        window = self._flow.draw(told, self._rng, heat=self._heat)[0]
        self._smooth(window, before[0, 0])
        local, root, contacts, _ = poses_of(
            window, track.postures[last], track.places[last], float(track.headings[last])
        )
        root[:, 1] = np.clip(root[:, 1], 0.0, _TALLEST_M)
        turns = quat.from_matrix(local.astype(np.float64))
        joined = [self._rotations[past], turns], [self._root[past], root]
        self._at -= max(0, len(self._root) - _KEPT)
        self._rotations, self._root = (np.concatenate(parts) for parts in joined)
        self._contacts = np.concatenate([self._contacts[past], contacts])
        self._frames_left -= LENGTH

    def _goal(self) -> tuple[tuple[F32, F32] | None, int]:
        """Return where to go (rotations and root) and in how many frames: the end, or home."""
        if self._end is not None:
            wanted = 0 < self._frames_left <= REACH
            return (self._end if wanted else None), self._frames_left
        facing, place = self._home
        away = (place - self._root[-1]) * (1, 0, 1)
        turn = wrapped(facing - float(heading(self._rotations[-1, 0])))
        near = np.sqrt(away @ away) < _HOME_M and abs(turn) < _HOME_TURN
        if near or self._style not in STAYS:
            return None, 0
        # As they are now, but at home: who goes home need not stand there as at the beginning.
        local = quat.to_matrix(self._rotations[-1]).astype(np.float32)
        local[0] = turn_y(turn) @ local[0]
        return (local, (self._root[-1] + away).astype(np.float32)), _HOMEWARD

    def _smooth(self, window: F32, before: F32) -> None:
        """Let a window begin the way it was going: what its first frame is off dies away."""
        ways = POSTURE + 3  # contacts may change at once
        off = -before[:ways] - window[0, :ways]
        left = _SEAM ** np.arange(1, LENGTH + 1, dtype=np.float32)
        window[:, :ways] += left[:, None] * off

    def _captured(self) -> tuple[Array, Array]:
        """Return a second of somebody's motion to begin with, at the origin and facing ahead."""
        found = library(self._style)
        starts = np.flatnonzero(found.ends - np.arange(len(found.ends)) > _KEPT)
        a = int(self._rng.choice(starts))
        rotations, roots = (
            x[a : a + _KEPT].astype(np.float64) for x in (found.rotations, found.roots)
        )
        laid = Laid()
        laid.begin(-float(heading(rotations[-1, 0])), roots[-1])
        both = [laid.lay(r, p) for r, p in zip(rotations, roots, strict=True)]
        return np.stack([r for r, _ in both]), np.stack([p for _, p in both])


def _sampled(poses: tuple[Pose, ...], fps: float) -> tuple[Array, Array]:
    """Return up to a second of poses at 30 frames a second, the last one last."""
    bodies = [_body_quaternions(pose) for pose in poses]
    rotations = quat.continuous(np.stack([r for r, _ in bodies]))
    roots = np.stack([p for _, p in bodies])
    count = min(_KEPT, 1 + int((len(poses) - 1) * FPS / fps + 1e-6))
    out = []
    for k in range(count - 1, -1, -1):
        at = max(0.0, len(poses) - 1 - k * fps / FPS)
        ahead = min(int(at) + 1, len(poses) - 1)
        out.append(between_frames(rotations, roots, int(at), ahead, at - int(at)))
    return np.stack([r for r, _ in out]), np.stack([p for _, p in out])


def _body_quaternions(pose: Pose) -> tuple[Array, Array]:
    from twinsdk.core.humanoid import humanoid_skeleton

    on = pose.on(humanoid_skeleton())
    return on.rotations[BODY_ROWS].astype(np.float64), on.root_translation.astype(np.float64)


def _body_of(pose: Pose) -> tuple[F32, F32]:
    rotations, root = _body_quaternions(pose)
    return quat.to_matrix(rotations).astype(np.float32), root.astype(np.float32)
