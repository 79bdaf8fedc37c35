"""Train the network of `motion.fitting.depth` on captured motion seen by simulated cameras.

Every example is a frame of captured motion on a person of random proportions before a random
camera, with a tracker's errors: points off their place by body and by frame, depth far more than
across, parts out of the picture. Rendered takes, where given, make up a third: they show how a
tracker errs in truth.

    python benchmarks/depth_hints.py MOTION.npz... --takes TAKE.npz... --out depth.npz
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch

from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.motion.fitting.body import JOINTS, MODEL, OFFSETS, POINT_OFFSETS, POINTS, SEGMENTS
from twinsdk.motion.fitting.depth import features, line_of_sight_frame
from twinsdk.motion.fitting.points import BODY
from twinsdk.session.truth_take import load_take

WIDTH, BATCH = 256, 512
SPREADS = [0.12, 0.05, 0.07, 0.06, 0.12, 0.09, 0.10, 0.08]  # of the logs of `SEGMENTS`
SKIPPED = {"013", "014", "015", "13", "09", "94"}  # kept for tests
USED = POINTS.tolist()
LEGS = [USED.index(BODY[f"{s}{p}"]) for s in ("left", "right")
        for p in ("Knee", "Ankle", "Heel", "FootIndex")]  # fmt: skip
FEET = [USED.index(BODY[f"{s}{p}"]) for s in ("left", "right")
        for p in ("Ankle", "Heel", "FootIndex")]  # fmt: skip
LIMBS = [[USED.index(BODY[f"{s}{p}"]) for p in parts] for s in ("left", "right")
         for parts in (("Elbow", "Wrist"), ("Knee", "Ankle", "Heel", "FootIndex"))]  # fmt: skip
HEAD = [i for i, joint in enumerate(MODEL.point_joints) if JOINTS[joint] == "head"]


def poses(paths: list[str]) -> np.ndarray:
    """Return rotations (T, N, 4) xyzw in the order of `JOINTS`, joints without motion at rest."""
    found = []
    for path in paths:
        data = np.load(path)
        names = data["joint_names"].tolist()
        starts = data["clip_start"]
        for c, subject in enumerate(data["subject"]):
            if subject in SKIPPED or ("split" in data.files and data["split"][c] != "train"):
                continue
            wxyz = data["quats"][starts[c] : starts[c + 1]].astype(np.float32)
            rows = np.tile(np.float32([0, 0, 0, 1]), (len(wxyz), len(JOINTS), 1))
            for j, name in enumerate(JOINTS):
                if name in names:
                    rows[:, j] = wxyz[:, names.index(name)][:, [1, 2, 3, 0]]
            found.append(rows)
    return quat.normalize(np.concatenate(found))


def batch(motion: np.ndarray, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Return features, true depth and mask of random frames."""
    rotations = motion[rng.integers(0, len(motion), count)].astype(np.float64)
    facing = rng.normal(0, 0.6, count)
    anyhow = rng.random(count) < 0.3
    facing[anyhow] = rng.uniform(-np.pi, np.pi, anyhow.sum())
    heading = 2 * np.arctan2(rotations[:, 0, 1], rotations[:, 0, 3])
    pitch = rng.normal(0.15, 0.2, count)
    roll = rng.normal(0, 0.03, count)
    turn = quat.multiply(
        quat.from_rotation_vector(np.stack([pitch, 0 * pitch, roll], -1)),
        quat.from_rotation_vector(np.stack([0 * pitch, facing - heading, 0 * pitch], -1)),
    )
    rotations[:, 0] = quat.multiply(turn, rotations[:, 0])
    # Joints that captured skeletons turn in other proportions of the spine.
    jitter = rng.normal(0, 0.05, (count, len(JOINTS), 3))
    rotations = quat.multiply(rotations, quat.from_rotation_vector(jitter))
    points = people(rotations, rng, count)
    points -= points[:, TRUNK].mean(1, keepdims=True)
    mirrored = rng.random(count) < 0.5
    points[mirrored] = points[mirrored][:, SWAP] * (-1, 1, 1)

    focal = 0.5 / np.tan(np.radians(rng.uniform(45, 80, count)) / 2)
    away = rng.uniform(0.75, 1.8, count) * 1.9 * focal * 1.3
    at = np.stack([rng.normal(0, 0.15, count), rng.normal(0, 0.12, count)], -1)
    sight = line_of_sight_frame(at)
    # World: pitch of the camera is in the pose; the person stands along `sight`.
    place = np.einsum("nij,nj->ni", sight, np.stack([0 * away, 0 * away, -away], -1))
    camera = points + place[:, None]
    true = np.einsum("nij,npi->npj", sight, points)[..., 2]

    off = tracker_off(rng, count)
    seen2 = camera + off["both"] + off["flat"]
    rays = seen2[..., :2] / np.maximum(-seen2[..., 2:], 0.2)
    wrong_turn = quat.to_matrix(
        quat.from_rotation_vector(rng.normal(0, 1, (count, 3)) * np.radians([6, 7, 3]))
    )
    space = np.einsum("nij,npi->npj", sight, points)
    space = np.einsum("nij,npj->npi", wrong_turn, space + off["both"] + off["space"] + off["deep"])
    space[..., 2] *= rng.uniform(0.7, 1.15, (count, 1))

    sure = np.ones((count, len(USED)))
    kind = rng.random(count)
    sure[np.ix_(kind < 0.30, LEGS)] = 0
    sure[np.ix_((kind > 0.30) & (kind < 0.42), FEET)] = 0
    sure[np.ix_(kind < 0.20, TRUNK[2:])] = 0
    lost = rng.random((count, 4)) < 0.06
    for limb, members in enumerate(LIMBS):
        sure[np.ix_(lost[:, limb], members)] = 0
    told, _, _, spread = features(rays, space, sure)
    mask = (sure > 0.3) * 1.0
    trunk = mask[:, TRUNK] + 1e-3
    centre = (true[:, TRUNK] * trunk).sum(1) / trunk.sum(1)
    metres = (spread * away)[:, None]
    return told, (true - centre[:, None]) / metres, mask


def filmed(paths: list[str]) -> tuple[np.ndarray, ...]:
    """Return features, true depth and mask of rendered takes, each frame and its mirror image."""
    told, deep, seen = [], [], []
    for path in paths:
        take = load_take(path)
        axes = take.camera_axes.astype(np.float64) * np.array([[1.0], [1.0], [-1.0]])
        scale = take.height_m / 1.70
        skeleton = humanoid_skeleton(take.height_m)
        turned, _ = skeleton.forward(take.rotations, take.root_translations)
        focal = take.size_px[0] / 2 / np.tan(np.radians(take.fov_deg) / 2)
        carriers = [HUMANOID_NAMES.index(JOINTS[j]) for j in MODEL.point_joints]
        for t in range(0, len(take), 2):
            one = take.observations[t]
            if one.body is None or one.image_body is None or not take.present[t]:
                continue
            sure = (one.body.visibility * one.image_body.inside())[POINTS].astype(np.float64)
            width, height = take.size_px
            rays = (one.image_body.uv[POINTS] - 0.5) * (width / focal, -height / focal)
            carried = quat.rotate(turned[t, carriers].astype(np.float64), POINT_OFFSETS * scale)
            true = (take.joint_positions[t, carriers] + carried - take.camera_position) @ axes.T
            for mirror in (False, True):
                given = (rays, one.body.positions[POINTS].astype(np.float64), sure, true)
                if mirror:
                    flip = np.array([-1.0, 1.0, 1.0])
                    across, space, known, there = (part[SWAP] for part in given)
                    given = (across * flip[:2], space * flip, known, there * flip)
                told_one, frame, _, spread = features(*given[:3])
                mask = (given[2] > 0.3) * 1.0
                share = mask[TRUNK] + 1e-3
                centre = share @ given[3][TRUNK] / share.sum()
                z = (given[3] - centre) @ frame[:, 2]
                told.append(told_one)
                deep.append(z / (spread * np.linalg.norm(centre)))
                seen.append(mask)
    return np.array(told), np.array(deep), np.array(seen)


def people(rotations: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the true places (count, P, 3) of the points of random people, metres."""
    logs = rng.normal(0, 1, (count, len(SEGMENTS))) * SPREADS
    grown = np.where(MODEL.segment >= 0, np.exp(logs)[:, MODEL.segment], 1.0)
    offsets = OFFSETS * grown[..., None]
    world = np.zeros((count, len(JOINTS), 3, 3))
    places = np.zeros((count, len(JOINTS), 3))
    local = quat.to_matrix(rotations)
    for j, up in enumerate(MODEL.parents):
        if up < 0:
            world[:, j] = local[:, j]
            continue
        world[:, j] = world[:, up] @ local[:, j]
        places[:, j] = places[:, up] + (world[:, up] @ offsets[:, j, :, None])[..., 0]
    carried = (world[:, MODEL.point_joints] @ POINT_OFFSETS[..., None])[..., 0]
    return places[:, MODEL.point_joints] + carried


def tracker_off(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Return errors (count, P, 3), metres: `both` of picture and space, and those of each."""
    size = len(USED)

    def by_part(deviation: np.ndarray) -> np.ndarray:
        own = rng.normal(0, 1, (count, size, 3)) * deviation
        own[:, HEAD] = 0.3 * own[:, HEAD] + own[:, HEAD[:1]]
        for members in LIMBS:  # what is off at the elbow is off at the wrist
            for before, after in itertools.pairwise(members):
                own[:, after] += 0.8 * own[:, before]
        return own

    strength = rng.uniform(0.5, 1.5, (count, 1, 1))
    return {
        "both": by_part(np.array([0.010, 0.012, 0.0])) * strength,
        "flat": by_part(np.array([0.006, 0.006, 0.0])) * strength,
        "space": by_part(np.array([0.016, 0.016, 0.0])) * strength,
        "deep": by_part(np.array([0.0, 0.0, 0.055])) * rng.uniform(0.4, 1.8, (count, 1, 1)),
    }


TRUNK = [USED.index(BODY[f"{s}{p}"]) for p in ("Shoulder", "Hip") for s in ("left", "right")]


def _swap() -> list[int]:
    from twinsdk.core.humanoid import mirrored
    from twinsdk.core.landmarks import BODY_NAMES

    return [USED.index(BODY[mirrored(BODY_NAMES[i])]) for i in USED]


SWAP = _swap()


class Network(torch.nn.Module):
    """Three layers, two of them residual; depth and log deviation of every point."""

    def __init__(self, told: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            [
                torch.nn.Linear(told, WIDTH),
                torch.nn.Linear(WIDTH, WIDTH),
                torch.nn.Linear(WIDTH, WIDTH),
                torch.nn.Linear(WIDTH, 2 * len(USED)),
            ]
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return depth and log deviation (B, P)."""
        soft = torch.nn.functional.leaky_relu
        x = soft(self.layers[0](x), 0.1)
        for layer in self.layers[1:3]:
            x = x + soft(layer(x), 0.1)
        depth, log_sigma = self.layers[3](x).chunk(2, -1)
        return depth, log_sigma.clamp(-4, 1)


def main() -> int:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--takes", nargs="*", default=[], help="rendered takes, to mix in")
    parser.add_argument("--begin", help="weights to go on from")
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    motion = poses(given.motion)
    real = filmed(given.takes) if given.takes else None
    told = np.concatenate([batch(motion, rng, BATCH)[0] for _ in range(20)])
    mean, scale = told.mean(0), 1 / (told.std(0) + 0.05)
    network = Network(told.shape[1])
    if given.begin:
        mean, scale = _begin(given.begin, network)
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    start, step, late = time.monotonic(), 0, []
    average: dict[str, torch.Tensor] = {}
    while (share := (time.monotonic() - start) / 60 / given.minutes) < 1:
        for group in adam.param_groups:
            group["lr"] = 1.5e-3 * 0.5 * (1 + np.cos(np.pi * share)) + 1e-5
        drawn = batch(motion, rng, BATCH)
        if real is not None:
            rows = rng.integers(0, len(real[0]), BATCH // 2)
            wobble = rng.normal(0, 0.05, real[0][rows].shape) * (real[0][rows] != 0)
            mixed = (real[0][rows] + wobble, real[1][rows], real[2][rows])
            drawn = tuple(np.concatenate([a, b]) for a, b in zip(drawn, mixed, strict=True))
        x, y, mask = (torch.from_numpy(a.astype(np.float32)) for a in drawn)
        depth, log_sigma = network((x - torch.tensor(mean).float()) * torch.tensor(scale).float())
        off = (depth - y).abs()
        weight = 0.15 + 0.85 * mask
        loss = (weight * (off * torch.exp(-log_sigma) + log_sigma)).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        adam.step()
        with torch.no_grad():
            for name, value in network.state_dict().items():
                average[name] = value.clone() if name not in average or step < 200 else (
                    0.997 * average[name] + 0.003 * value)  # fmt: skip
        late.append(float((off * mask).sum() / mask.sum()))
        step += 1
        if step % 500 == 0:
            print(step, f"{share:.2f}", f"{np.mean(late[-500:]):.4f}", flush=True)
            _write(given.out, average, mean, scale)
    _write(given.out, average, mean, scale)
    return 0


def _begin(path: str, network: Network) -> tuple[np.ndarray, np.ndarray]:
    stored = np.load(path)
    state = {}
    for k in range(4):
        state[f"layers.{k}.weight"] = torch.from_numpy(stored[f"w{k}"].T.astype(np.float32))
        state[f"layers.{k}.bias"] = torch.from_numpy(stored[f"b{k}"].astype(np.float32))
    network.load_state_dict(state)
    return stored["mean"].astype(np.float64), stored["scale"].astype(np.float64)


def _write(
    path: str, weights: dict[str, torch.Tensor], mean: np.ndarray, scale: np.ndarray
) -> None:
    arrays = {"mean": mean, "scale": scale}
    for k in range(4):
        arrays[f"w{k}"] = weights[f"layers.{k}.weight"].numpy().T
        arrays[f"b{k}"] = weights[f"layers.{k}.bias"].numpy()
    # Laplace's scale to a standard deviation.
    arrays["b3"] = arrays["b3"] + np.r_[np.zeros(len(USED)), np.full(len(USED), np.log(2) / 2)]
    np.savez_compressed(Path(path), **{name: a.astype(np.float16) for name, a in arrays.items()})


if __name__ == "__main__":
    sys.exit(main())
