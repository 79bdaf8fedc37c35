"""Examples for `depth_hints.py`: what a tracker sees of people whose points are known.

All are `Examples`. Stills and takes are rendered people and show how a tracker errs in truth;
simulated ones are captured motion on people of random proportions before random cameras, some with
a tracker's errors and some without any.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton, mirrored
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.motion.fitting.body import (
    JOINTS,
    MODEL,
    OFFSETS,
    POINT_OFFSETS,
    POINTS,
    ROWS,
    SEGMENTS,
)
from twinsdk.motion.fitting.depth import features, line_of_sight_frame, told_share
from twinsdk.motion.fitting.points import BODY
from twinsdk.session.truth_take import load_take

SPREADS = [0.12, 0.05, 0.07, 0.06, 0.12, 0.09, 0.10, 0.08]  # of the logs of `SEGMENTS`
USED = POINTS.tolist()
CARRIERS = ROWS[MODEL.point_joints]
USUAL_FOV_DEG = 60.0
# Points of the trunk at the roots of limbs lie where those begin, however broad the trunk is.
PLACED, FROM_JOINT = CARRIERS.copy(), POINT_OFFSETS.copy()
for _i, _joint in enumerate(MODEL.point_joints):
    _name = BODY_NAMES[POINTS[_i]]
    for _point, _limb in (("Shoulder", "UpperArm"), ("Hip", "UpperLeg")):
        if _name.endswith(_point):
            _child = JOINTS.index(_name.replace(_point, _limb))
            PLACED[_i], FROM_JOINT[_i] = ROWS[_child], POINT_OFFSETS[_i] - OFFSETS[_child]


def _rows(*parts: str) -> list[int]:
    return [USED.index(BODY[f"{side}{part}"]) for side in ("left", "right") for part in parts]


LEGS, FEET = _rows("Knee", "Ankle", "Heel", "FootIndex"), _rows("Ankle", "Heel", "FootIndex")
ARMS = _rows("Elbow", "Wrist")
LIMBS = [ARMS[:2], LEGS[:4], ARMS[2:], LEGS[4:]]
HEAD = [i for i, joint in enumerate(MODEL.point_joints) if JOINTS[joint] == "head"]
TRUNK = [USED.index(BODY[f"{s}{p}"]) for p in ("Shoulder", "Hip") for s in ("left", "right")]
HIPS = TRUNK[2:]
SWAP = [USED.index(BODY[mirrored(BODY_NAMES[i])]) for i in USED]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """N frames; camera axes +X right, +Y up, +Z towards the camera.

    Attributes:
        rays: (N, P, 2) right and up at depth 1.
        space: (N, P, 3) the tracker's points in space.
        sure: (N, P) in [0, 1].
        true: (N, P, 3) the points' places, metres from the camera.
    """

    rays: np.ndarray
    space: np.ndarray
    sure: np.ndarray
    true: np.ndarray

    def __len__(self) -> int:
        return len(self.rays)

    def __getitem__(self, rows) -> Examples:
        return Examples(**{name: array[rows] for name, array in vars(self).items()})

    def mirrored(self) -> Examples:
        """Return the same seen in a mirror."""
        flip = np.array([-1.0, 1.0, 1.0])
        return Examples(
            rays=self.rays[:, SWAP] * flip[:2],
            space=self.space[:, SWAP] * flip,
            sure=self.sure[:, SWAP],
            true=self.true[:, SWAP] * flip,
        )

    def rolled(self, by: np.ndarray) -> Examples:
        """Return the same before cameras turned about their line of sight by (N,) radians."""
        cosine, sine = np.cos(by), np.sin(by)
        turn = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)

        def turned(points: np.ndarray) -> np.ndarray:
            flat = np.einsum("nij,npj->npi", turn, points[..., :2])
            return np.concatenate([flat, points[..., 2:]], -1)

        return Examples(
            rays=turned(self.rays),
            space=turned(self.space),
            sure=self.sure,
            true=turned(self.true),
        )

    def zoomed(self, by: np.ndarray) -> Examples:
        """Return the same, the angle of view taken for another: rays are (N,) times as far out."""
        stretch = by[:, None, None]
        # What is wider at the same depth is as wide at a smaller one.
        deep = self.true[:, TRUNK, 2].mean(1)[:, None]
        rays = stretch * self.true[..., :2] / -self.true[..., 2:]
        z = self.true[..., 2] - deep + deep / by[:, None]
        return Examples(
            rays=self.rays * stretch,
            space=self.space,
            sure=self.sure,
            true=np.concatenate([rays * -z[..., None], z[..., None]], -1),
        )

    def told(self) -> tuple[np.ndarray, ...]:
        """Return what the network is told (N, P, 6) and (N, 3), what is wanted, shares, metres.

        Shares (N, P) are how far each point is told, metres (N,) those of a unit.

        Wanted are (N, 3, P) in the network's unit: shifts right and up, and the correction of the
        tracker's depth.
        """
        told, whole, frame, flat, spread = features(self.rays, self.space, self.sure)
        weight = told_share(self.sure)
        loss = np.maximum(weight, 0.4 * (self.sure > 0))
        share = weight[:, TRUNK] + 1e-3
        share = share / share.sum(1, keepdims=True)
        centre = (self.true[:, TRUNK] * share[..., None]).sum(1)
        along = self.true @ frame
        there = along[..., :2] / np.maximum(-along[..., 2:], 0.1)
        z = ((self.true - centre[:, None]) * frame[:, None, :, 2]).sum(-1)
        metres = spread * np.linalg.norm(centre, axis=-1)
        shift = (there - flat) / spread[:, None, None]
        deep = z / metres[:, None] - told[..., 4]
        wanted = np.stack([shift[..., 0], shift[..., 1], deep], 1)
        return told, whole, wanted, loss, metres


def joined(parts: list[Examples]) -> Examples:
    names = ("rays", "space", "sure", "true")
    return Examples(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def stills(path: str | Path) -> Examples:
    """Return the stills of one person or the frames of a sequence; see `capture_stills.py`."""
    data = np.load(path)
    width, height = data["size_px"].T[..., None, None].astype(np.float64)
    focal = width / 2 / np.tan(np.radians(data["fov_deg"].astype(np.float64)) / 2)[:, None, None]
    uv = data["uv"][:, POINTS].astype(np.float64)
    rays = (uv - 0.5) * np.concatenate([width / focal, -height / focal], -1)
    inside = ((uv >= 0) & (uv <= 1)).all(-1)
    return Examples(
        rays=rays,
        space=data["world"][:, POINTS] * np.array([1.0, -1.0, -1.0]),
        sure=guessed(data["visibility"][:, POINTS], inside),
        true=true_points(data["joints"], data["rotations"], float(data["height_m"])),
    ).zoomed(_as_usual(data["fov_deg"].astype(np.float64)))


def filmed(path: str) -> Examples:
    """Return every second frame of a rendered take."""
    take = load_take(path)
    axes = take.camera_axes.astype(np.float64) * np.array([[1.0], [1.0], [-1.0]])
    width, height = take.size_px
    focal = width / 2 / np.tan(np.radians(take.fov_deg) / 2)
    rows = [
        t for t in range(0, len(take), 2)
        if take.present[t] and take.observations[t].image_body is not None
    ]  # fmt: skip
    seen = [take.observations[t] for t in rows]
    rotations = take.rotations[rows].astype(np.float64)
    rotations[:, 0] = quat.multiply(quat.from_matrix(axes), rotations[:, 0])
    joints = (take.joint_positions[rows] - take.camera_position) @ axes.T
    sure = [guessed(one.body.visibility, one.image_body.inside())[POINTS] for one in seen]
    uv = np.array([one.image_body.uv[POINTS] for one in seen])
    return Examples(
        rays=(uv - 0.5) * (width / focal, -height / focal),
        space=np.array([one.body.positions[POINTS] for one in seen], np.float64),
        sure=np.array(sure, np.float64),
        true=true_points(joints, rotations, take.height_m),
    ).zoomed(_as_usual(np.full(len(rows), take.fov_deg)))


def guessed(visibility: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return how surely points are seen; what the picture has room for is guessed at least."""
    return np.where(inside, np.maximum(visibility, 0.02), 0.0)


def _as_usual(fov_deg: np.ndarray) -> np.ndarray:
    """Return by what rays grow where the angle of view is taken for the usual one."""
    return np.tan(np.radians(USUAL_FOV_DEG) / 2) / np.tan(np.radians(fov_deg) / 2)


def true_points(joints: np.ndarray, rotations: np.ndarray, height_m: float) -> np.ndarray:
    """Return where the points truly are: on the joints (N, 55, 3), turned (N, 55, 4)."""
    skeleton = humanoid_skeleton(height_m)
    turned, _ = skeleton.forward(rotations, np.zeros((len(joints), 3)))
    carried = quat.rotate(
        turned[:, CARRIERS].astype(np.float64),
        np.tile(FROM_JOINT * (height_m / 1.70), (len(joints), 1, 1)),
    )
    return joints[:, PLACED] + carried


def simulated(motion: np.ndarray, rng: np.random.Generator, count: int, *, clean: bool) -> Examples:
    """Return random frames of the motion (T, 55, 4) on random people, with a tracker's errors.

    Args:
        motion: Local rotations on the canonical joints.
        rng: Decides.
        count: How many.
        clean: No errors: what is told exactly is to be believed exactly.
    """
    rotations = motion[rng.integers(0, len(motion), count)][:, ROWS].astype(np.float64)
    facing = rng.normal(0, 0.6, count)
    anyhow = rng.random(count) < 0.3
    facing[anyhow] = rng.uniform(-np.pi, np.pi, anyhow.sum())
    heading = 2 * np.arctan2(rotations[:, 0, 1], rotations[:, 0, 3])
    pitch, roll = rng.normal(0.12, 0.2, count), rng.normal(0, 0.03, count)
    tumbling = rng.random(count) < 0.06
    pitch[tumbling] = rng.uniform(-np.pi, np.pi, tumbling.sum())
    roll[tumbling] = rng.normal(0, 0.8, tumbling.sum())
    turn = quat.multiply(
        quat.from_rotation_vector(np.stack([pitch, 0 * pitch, roll], -1)),
        quat.from_rotation_vector(np.stack([0 * pitch, facing - heading, 0 * pitch], -1)),
    )
    rotations[:, 0] = quat.multiply(turn, rotations[:, 0])
    # Joints that captured skeletons turn in other proportions of the spine.
    jitter = rng.normal(0, 0.05, (count, len(JOINTS), 3))
    rotations = quat.multiply(rotations, quat.from_rotation_vector(jitter))
    points = people_in(rotations, rng, count, on_joints=clean)
    points -= points[:, TRUNK].mean(1, keepdims=True)
    focal = 0.5 / np.tan(np.radians(rng.uniform(45, 80, count)) / 2)
    away = rng.uniform(0.75, 1.8, count) * 1.9 * focal * 1.3
    at = np.stack([rng.normal(0, 0.15, count), rng.normal(0, 0.12, count)], -1)
    sight = line_of_sight_frame(at)
    place = np.einsum("nij,nj->ni", sight, np.stack([0 * away, 0 * away, -away], -1))
    camera = points + place[:, None]
    off = _off(rng, count, 0.0 if clean else 1.0)
    seen = camera + off["both"] + off["flat"]
    space = np.einsum("nij,npi->npj", sight, points)
    space = space + off["both"] + off["space"] + off["deep"]
    if not clean:
        wrong = rng.normal(0, 1, (count, 3)) * np.radians([6, 7, 3])
        space = np.einsum("nij,npj->npi", quat.to_matrix(quat.from_rotation_vector(wrong)), space)
        space[..., 2] *= rng.uniform(0.7, 1.15, (count, 1))
    sure = np.ones((count, len(USED)))
    return Examples(
        rays=seen[..., :2] / np.maximum(-seen[..., 2:], 0.2), space=space, sure=sure, true=camera
    )


def hide(given: Examples, rng: np.random.Generator) -> Examples:
    """Return the examples with legs, feet or a limb out of the picture in some."""
    sure, kind = given.sure.copy(), rng.random(len(given))
    sure[np.ix_(kind < 0.18, LEGS)] = 0
    sure[np.ix_((kind > 0.18) & (kind < 0.25), FEET)] = 0
    sure[np.ix_(kind < 0.10, HIPS)] = 0
    lost = rng.random((len(given), 4)) < 0.04
    for limb, members in enumerate(LIMBS):
        sure[np.ix_(lost[:, limb], members)] = 0
    return Examples(rays=given.rays, space=given.space, sure=sure, true=given.true)


def people_in(
    rotations: np.ndarray, rng: np.random.Generator, count: int, *, on_joints: bool
) -> np.ndarray:
    """Return the true places (count, P, 3) of the points of random people, metres."""
    logs = rng.normal(0, 1, (count, len(SEGMENTS))) * SPREADS
    grown = np.where(MODEL.segment >= 0, np.exp(logs)[:, MODEL.segment], 1.0)
    offsets = OFFSETS * grown[..., None]
    world, places = np.zeros((count, len(JOINTS), 3, 3)), np.zeros((count, len(JOINTS), 3))
    local = quat.to_matrix(rotations)
    for j, up in enumerate(MODEL.parents):
        if up < 0:
            world[:, j] = local[:, j]
            continue
        world[:, j] = world[:, up] @ local[:, j]
        places[:, j] = places[:, up] + (world[:, up] @ offsets[:, j, :, None])[..., 0]
    own = np.tile(POINT_OFFSETS, (count, 1, 1))
    own += rng.normal(0, 0.008, own.shape) * (0.5 if on_joints else 1.0)
    carried = (world[:, MODEL.point_joints] @ own[..., None])[..., 0]
    return places[:, MODEL.point_joints] + carried


def _off(rng: np.random.Generator, count: int, share: float) -> dict[str, np.ndarray]:
    """Return errors (count, P, 3), metres: `both` of picture and space, and those of each."""
    size = len(USED)

    def by_part(deviation: np.ndarray) -> np.ndarray:
        own = rng.normal(0, 1, (count, size, 3)) * deviation
        own[:, HEAD] = 0.3 * own[:, HEAD] + own[:, HEAD[:1]]
        for members in LIMBS:  # what is off at the elbow is off at the wrist
            for before, after in itertools.pairwise(members):
                own[:, after] += 0.8 * own[:, before]
        return share * own

    strength = rng.uniform(0.5, 1.5, (count, 1, 1))
    return {
        "both": by_part(np.array([0.010, 0.012, 0.0])) * strength,
        "flat": by_part(np.array([0.006, 0.006, 0.0])) * strength,
        "space": by_part(np.array([0.016, 0.016, 0.0])) * strength,
        "deep": by_part(np.array([0.0, 0.0, 0.055])) * rng.uniform(0.4, 1.8, (count, 1, 1)),
    }
