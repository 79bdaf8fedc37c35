"""From the network's corrections to the pose that is shown: place, hand-over, pins, feet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import cos, exp, sin

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.frame import TrackingState
from twinsdk.core.pose import Pose
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.fitting.rest import idle_rotations
from twinsdk.motion.generation.performer import Performer
from twinsdk.motion.model.analytic import HEAD
from twinsdk.motion.model.body import (
    COUNT,
    FEET_TOES,
    IN_HUMANOID,
    INDEX,
    PARENTS,
    forward,
    gram_schmidt,
)
from twinsdk.motion.model.foresight import Moment, Past, foresight, remembered
from twinsdk.motion.model.person import NOTHING_READ, Body, Person, Read
from twinsdk.motion.model.slots import Seen, Source
from twinsdk.motion.model.step import HORIZONS_S, MotionStep, Webcam
from twinsdk.motion.vectors import quaternion_of, smoothstep

__all__ = ["perform", "show"]

_HANDS = [TRACKER_NAMES.index("leftHand"), TRACKER_NAMES.index("rightHand")]
_FEET = [TRACKER_NAMES.index("leftFoot"), TRACKER_NAMES.index("rightFoot")]
_PULL_HZ = 1.5  # how quickly a webcam's place on the floor, which wavers in depth, is followed
_STANDS, _LIFTS = 0.5, 0.25  # contact above which a foot stands, below which it no longer does
_FORGET_S = 0.7
_SLACK_M = 0.12  # legs that nobody sees are known no better: a standing foot is left where it is
# Log odds that a foot stands: of what the network says, speed and height; fitted to captured people
# by `benchmarks/motion/contacts.py`.
_SAID, _FAST, _HIGH, _USUAL = 0.84, 0.66, 2.57, -0.29
_LEAST_M_S = 0.05
_CALM_S = 0.1  # time constant with which a webcam's corrections are followed
_CONFIDENT_M = 0.12  # an expected error that halves the confidence, nearly
_REST = idle_rotations().astype(np.float32)
_SEEN = (0.3, 0.7)  # confidence below which an end of a limb is not seen, above which it is
_HAND_ROWS = [INDEX["leftHand"], INDEX["rightHand"]]
_FOOT_ROWS = [INDEX["leftFoot"], INDEX["rightFoot"]]
_PARTS = {
    "arm": [
        [INDEX[f"{s}{p}"] for p in ("UpperArm", "LowerArm", "Hand")] for s in ("left", "right")
    ],
    "leg": [
        [INDEX[f"{s}{p}"] for p in ("UpperLeg", "LowerLeg", "Foot", "Toes")]
        for s in ("left", "right")
    ],
}
_SAME_NAMES = 55
_PARENTS = np.array(PARENTS, np.int32)
_ORIGIN = np.zeros(3, np.float32)
_UNTURNED = np.tile(quat.IDENTITY, (len(TRACKER_NAMES), 1))


def show(person: Person, seen: Seen, read: Read, dt_s: float) -> MotionStep:
    """Return the pose of a person who is followed, and remember it.

    Args:
        person: Changed in place.
        seen: What is seen now.
        read: What the network makes of it.
        dt_s: Seconds since the last pose.
    """
    body, source = person.body, Source(int(seen.source[0]))
    fresh = person.handover.shown is None
    changed = fresh or source != person.source
    # Landmarks tremble and corrections with them: a webcam's are followed a little later.
    share = 1.0 if changed or source != Source.WEBCAM else -np.expm1(-dt_s / _CALM_S)
    person.turns = person.turns + np.float32(share) * (read.turns - person.turns)
    local = seen.start[0] @ gram_schmidt(person.turns)
    root = _root(person, seen, read, local, source, dt_s, changed) / body.scale
    tracked = seen.tracker_seen[0] > 0
    if changed or bool((tracked != person.tracked).any()):
        person.handover.begin(tracked & person.tracked & (source == person.source))
    person.tracked, person.source = tracked, source
    whole = _whole(person, quaternion_of(local.astype(np.float64)))
    if source == Source.WEBCAM and person.webcam is not None:
        whole = _with_seen_ends(person, person.webcam, whole, root.astype(np.float32))
        whole = _with_own_ends(person, person.webcam, whole, root.astype(np.float32))
    whole, place = person.handover.step(
        whole,
        root,
        dt_s,
        seen=tracked,
        positions=seen.tracker_positions[0] / body.scale,
        turns=quaternion_of(seen.tracker_rotations[0]) if tracked.any() else _UNTURNED,
    )
    held = person.held
    if source != Source.WEBCAM:
        read = replace(read, contacts=_contacts(person, read, whole, place, dt_s, changed))
    person.standing = np.where(
        person.standing, read.contacts > _LIFTS, read.contacts > _STANDS
    ).astype(bool)
    # A webcam shows feet well enough that holding them where they seem to stand makes them worse.
    if source != Source.WEBCAM and (held is None or not held.weights[0, _FEET].any()):
        person.feet = person.feet or FootHolder(body.skeleton, slack_m=_SLACK_M / body.scale)
        whole = person.feet.step(whole, place, person.standing, dt_s)[0].astype(np.float32)
    return _finish(person, seen, read, whole, place, source, dt_s)


def perform(person: Person, dt_s: float, seed: int) -> MotionStep:
    """Return the next pose of a person whom nothing has shown for a while."""
    body = person.body
    if person.performer is None:
        start = (
            [] if person.last is None else [_canonical(person, m.pose) for m in person.past[-2:]]
        )
        person.performer = Performer("idle", seed=seed, start=tuple(start), start_fps=1 / dt_s)
        person.feet = None  # the performer holds them
    pose = person.performer.step(dt_s)
    rotations = pose.rotations[IN_HUMANOID].astype(np.float64)
    root = pose.root_translation.astype(np.float64)
    person.source = Source.NOTHING
    person.place = root[[0, 2]]
    count = len(body.skeleton)
    whole = _whole(person, rotations)
    person.handover.remember(whole, (root / body.scale).astype(np.float32), dt_s)
    shown = Pose(
        skeleton=body.skeleton,
        rotations=quat.normalize(whole),
        root_translation=(root / body.scale).astype(np.float32),
    )
    person.past = remembered(person.past, shown, dt_s)
    step = MotionStep(
        pose=shown,
        state=TrackingState.GENERATED,
        joint_confidence=np.zeros(count, np.float32),
        generated=np.ones(count, bool),
        contacts=np.zeros(4, np.float32),
        foresee=partial(_foreseen, body, person.past),
    )
    person.last = step
    return step


def _root(
    person: Person,
    seen: Seen,
    read: Read,
    local: Array,
    source: Source,
    dt_s: float,
    changed: bool,
) -> Array:
    """Return where the hips are (3,), canonical metres; `local` (22, 3, 3) is the pose."""
    if source == Source.TRACKERS:  # where the head's tracker has them
        _, places = forward(local[None], np.zeros((1, 3), np.float32), person.body.offsets[None])
        head = seen.tracker_positions[0, HEAD] - places[0, INDEX["head"]]
        return np.asarray(head, np.float64)
    height = max(float(seen.start_root[0, 1] + read.root[0]), 0.05)
    yaw, right, ahead = float(seen.yaw[0]), float(read.root[1]), float(read.root[2])
    fade = dt_s * exp(-person.blind_s / _FORGET_S)
    c, s = fade * cos(yaw), fade * sin(yaw)
    step = np.array([c * right + s * ahead, c * ahead - s * right])
    given = seen.start_root[0, [0, 2]].astype(np.float64)
    last = person.handover.shown
    shown = None if last is None else last[1][[0, 2]].astype(np.float64) * person.body.scale
    if changed and source == Source.WEBCAM:
        here = given if shown is None else shown
        person.anchor, person.place = here - given, np.array(here)
    elif changed and shown is not None:
        person.place = shown
    else:
        person.place = person.place + step
    if source == Source.WEBCAM:
        pull = -np.expm1(-_PULL_HZ * dt_s)
        person.place = person.place + pull * (given + person.anchor - person.place)
    return np.array([person.place[0], height, person.place[1]])


def _whole(person: Person, rotations: Array) -> F32:
    """Return the rotations (J, 4) of the whole skeleton: fingers and eyes as the fit has them."""
    count = len(person.body.skeleton)
    out = np.tile(quat.IDENTITY, (count, 1))
    if count == _SAME_NAMES:
        fit = None if person.webcam is None else person.webcam.fit
        out[:] = _REST if fit is None or person.source != Source.WEBCAM else fit.pose.rotations
    out[person.body.rows] = rotations
    return out


def _with_seen_ends(person: Person, webcam: Webcam, whole: F32, place: Array) -> F32:
    """Bring hands and feet that are seen to where the fit has them about the hips.

    What landmarks show best is where ends are; what the network knows better is how limbs turn.
    """
    body, fit = person.body, webcam.fit
    if np.abs(person.turns - NOTHING_READ.turns).max() < 1e-3:  # nothing was corrected
        return whole
    rotations, sure = fit.pose.rotations[IN_HUMANOID], fit.joint_confidence[IN_HUMANOID]
    _, places = kernel.forward_kinematics(_PARENTS, body.offsets, rotations, _ORIGIN)
    for end, rows in (("Hand", _HAND_ROWS), ("Foot", _FOOT_ROWS)):
        whole = body.pins.hold(
            whole,
            place,
            end,
            positions=places[rows] / body.scale + place,
            turns=None,
            weights=smoothstep(sure[rows], *_SEEN),
        )
    return whole


def _with_own_ends(person: Person, webcam: Webcam, whole: F32, place: Array) -> F32:
    """Give hands and head that have landmarks of their own the fit's turn in the world.

    The network was taught with the body's 33 points alone, which show both less well.
    """
    observation, fit = webcam.observation, webcam.fit
    skeleton = person.body.skeleton
    ends = []
    for name, own in (
        ("leftHand", observation.left_hand),
        ("rightHand", observation.right_hand),
        ("head", observation.image_face),
    ):
        if own is not None:
            ends.append(name)
    if not ends or len(skeleton) != _SAME_NAMES:
        return whole
    wanted, _ = fit.pose.world()
    world, _ = skeleton.forward(whole, place)
    at = np.array([skeleton.joint(name) for name in ends])
    sure = np.minimum(2 * fit.joint_confidence[at], 1)
    turned = quat.slerp(world[at], wanted[at], sure)
    whole[at] = quat.multiply(quat.conjugate(world[skeleton.parents[at]]), turned)
    return whole


def _contacts(
    person: Person, read: Read, whole: F32, place: F32, dt_s: float, changed: bool
) -> F32:
    """Return how surely feet and toes stand (4,), before they are held."""
    skeleton = person.body.skeleton
    feet = skeleton.forward(whole, place)[1][person.body.rows[FEET_TOES]] * person.body.scale
    last, person.feet_at = person.feet_at, feet
    if changed or last is None:
        return read.contacts
    return stand(read.contacts, np.hypot(*(feet - last)[:, ::2].T) / dt_s, feet[:, 1])


def stand(said: F32, speed: Array, height: Array) -> F32:
    """Return how surely feet stand of which `said` is what the network says, in [0, 1].

    A foot in the air is high or moves, whatever is said of it.

    Args:
        said: (4,) in [0, 1].
        speed: (4,) m/s over the floor.
        height: (4,) metres.
    """
    sure = np.clip(said, 1e-4, 1 - 1e-4)
    odds = _SAID * np.log(sure / (1 - sure)) - _FAST * np.log(speed + _LEAST_M_S)
    return np.asarray(1 / (1 + np.exp(_HIGH * height - odds - _USUAL)), np.float32)


def _finish(
    person: Person, seen: Seen, read: Read, whole: F32, place: F32, source: Source, dt_s: float
) -> MotionStep:
    body = person.body
    count = len(body.skeleton)
    shown = _shown(person, seen, source)
    sure = np.exp(-read.spread / _CONFIDENT_M)
    confidence = np.zeros(count, np.float32)
    generated = np.ones(count, bool)
    if source == Source.WEBCAM and person.webcam is not None and count == _SAME_NAMES:
        confidence[:] = person.webcam.fit.joint_confidence
        generated[:] = confidence < 0.1
    confidence[body.rows] = sure * (1.0 if source != Source.NOTHING else np.exp(-person.blind_s))
    generated[body.rows] = ~shown
    pose = Pose(skeleton=body.skeleton, rotations=quat.normalize(whole), root_translation=place)
    person.past = remembered(person.past, pose, dt_s)
    state = TrackingState.TRACKING if shown.all() else TrackingState.PARTIAL
    step = MotionStep(
        pose=pose,
        state=TrackingState.HOLDING if source == Source.NOTHING else state,
        joint_confidence=np.clip(confidence, 0, 1).astype(np.float32),
        generated=generated,
        contacts=read.contacts,
        foresee=partial(_foreseen, body, person.past),
    )
    person.last = step
    return step


def _foreseen(body: Body, past: tuple[Moment, ...]) -> tuple[F32, F32]:
    """Return the turns (8, J, 3) and ways (8, 3) of `MotionStep`; other joints keep theirs."""
    turns = np.zeros((len(HORIZONS_S), len(body.skeleton), 3), np.float32)
    rotations = np.array([moment.pose.rotations for moment in past])
    roots = np.array([moment.pose.root_translation for moment in past])
    places = body.skeleton.forward(rotations, roots)[1][:, body.rows]
    known = Past(
        at_s=np.array([moment.at_s for moment in past]),
        rotations=rotations[:, body.rows],
        places=places * np.float32(body.scale),
    )
    turns[:, body.rows], ways = foresight().ahead(known, HORIZONS_S)
    return turns, ways / np.float32(body.scale)


def _shown(person: Person, seen: Seen, source: Source) -> Array:
    """Return which of the 22 joints a source shows."""
    out = np.zeros(COUNT, bool)
    if source == Source.WEBCAM:
        return np.asarray(seen.confidence[0] > 0.3)
    if source == Source.TRACKERS and person.held is not None:
        out[: INDEX["head"] + 1] = True
        out[[INDEX["leftShoulder"], INDEX["rightShoulder"]]] = True
        for part, trackers in (("arm", _HANDS), ("leg", _FEET)):
            for rows, tracker in zip(_PARTS[part], trackers, strict=True):
                out[rows] = person.held.weights[0, tracker] > 0.5
    return out


def _canonical(person: Person, pose: Pose) -> Pose:
    """Return a pose that was shown on the 1.70 m skeleton."""
    from twinsdk.core.humanoid import humanoid_skeleton

    whole = _REST.copy()
    whole[IN_HUMANOID] = pose.rotations[person.body.rows]
    return Pose(
        skeleton=humanoid_skeleton(),
        rotations=whole,
        root_translation=(pose.root_translation * person.body.scale).astype(np.float32),
    )
