"""Train an AvatarPoser-style network on the public split and measure it like everything else.

    nice -n 15 python benchmarks/motion/avatarposer.py --data cmu30_train.npz --minutes 20

Architecture, losses and window of Jiang et al. 2022 ("AvatarPoser", MIT): 54 numbers a frame of
head and hands, 40 frames, a 3-layer transformer of 256, the last frame's 22 rotations. Kinder than
the original: inputs are turned to the last head's heading, and arms are solved in closed form
afterwards instead of by five gradient steps. Minutes are of this process's processor time, so that
a busy machine does not decide.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.observation import Observation
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import Trackers
from twinsdk.motion.evaluation.clips import BODY_JOINTS, TrueClip, read_packed
from twinsdk.motion.evaluation.followers import Estimate
from twinsdk.motion.evaluation.protocol import DROPOUTS_S, dropouts, headset
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.evaluation.tables import as_json, as_markdown

WINDOW, BATCH, RATE = 40, 32, 3e-4
HEAD = BODY_JOINTS.index("head")
ARMS = [
    [BODY_JOINTS.index(f"{side}{part}") for part in ("UpperArm", "LowerArm", "Hand")]
    for side in ("left", "right")
]


class AvatarPoser(nn.Module):
    """54 numbers a frame in, 22 rotations of the last frame out, as 6D."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(54, 256)
        layer = nn.TransformerEncoderLayer(256, 8, 2048, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.root = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 6))
        self.joints = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 21 * 6))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 22, 6) for inputs (N, 40, 54)."""
        last = self.encoder(self.embed(x))[:, -1]
        return torch.cat([self.root(last), self.joints(last)], 1).view(-1, 22, 6)


def six(q: Array) -> Array:
    return quat.to_matrix(q)[..., :2].swapaxes(-1, -2).reshape(*q.shape[:-1], 6)


def matrices(x: Tensor) -> Tensor:
    a = nn.functional.normalize(x[..., :3], dim=-1)
    b = x[..., 3:] - (a * x[..., 3:]).sum(-1, keepdim=True) * a
    b = nn.functional.normalize(b, dim=-1)
    return torch.stack([a, b, torch.cross(a, b, dim=-1)], dim=-1)


def heading(q: Array) -> Array:
    m = quat.to_matrix(q.astype(np.float64))
    ahead, up = m[..., :, 2], m[..., :, 1]
    tilt = -ahead[..., 1]
    return np.arctan2(ahead[..., 0] + tilt * up[..., 0], ahead[..., 2] + tilt * up[..., 2])


def windows(turns: F32, places: F32, ends: Array) -> tuple[Array, Array]:
    """Return inputs (N, 40, 54) that end at the frames `ends`, and their headings (N,)."""
    index = np.maximum(ends[:, None] + np.arange(-WINDOW, 1), 0)
    yaw = heading(turns[ends, 0])
    back = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -yaw)[:, None, None]
    origin = places[ends, 0][:, None, None] * (1, 0, 1)
    q = quat.multiply(np.broadcast_to(back, (*index.shape, 3, 4)), turns[index].astype(np.float64))
    p = quat.rotate(np.broadcast_to(back, q.shape), places[index].astype(np.float64) - origin)
    spin = quat.multiply(quat.conjugate(q[:, :-1]), q[:, 1:])
    parts = (six(q[:, 1:]), six(spin), p[:, 1:], p[:, 1:] - p[:, :-1])
    x = np.concatenate([part.reshape(len(ends), WINDOW, -1) for part in parts], -1)
    return x.astype(np.float32), yaw


class Examples:
    """Random windows of clips with the truth of their last frames."""

    def __init__(self, clips: Sequence[TrueClip]) -> None:
        self.clips = [true.clip for true in clips if len(true.clip) > WINDOW]
        self.worn = [worn(trackers_of(clip)) for clip in self.clips]
        lengths = np.array([len(clip) for clip in self.clips], np.float64)
        self.share = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, ...]:
        """Return inputs, true rotations as 6D, and bone offsets of `count` windows."""
        inputs, goals, offsets = [], [], []
        for c in rng.choice(len(self.clips), count, p=self.share):
            clip, end = self.clips[c], np.array([rng.integers(len(self.clips[c]))])
            x, yaw = windows(*self.worn[c], end)
            q = clip.rotations[end[0]].astype(np.float64)
            q[0] = quat.multiply(quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -yaw[0]), q[0])
            inputs.append(x[0])
            goals.append(six(q))
            offsets.append(clip.skeleton.rest_translations)
        return tuple(
            torch.from_numpy(np.stack(part).astype(np.float32)) for part in (inputs, goals, offsets)
        )


def worn(given: Sequence[Trackers]) -> tuple[F32, F32]:
    return np.stack([t.rotations[:3] for t in given]), np.stack([t.positions[:3] for t in given])


def positions(local: Tensor, offsets: Tensor, parents: Array) -> Tensor:
    world, place = [local[:, 0]], [torch.zeros_like(offsets[:, 0])]
    for j in range(1, local.shape[1]):
        up = int(parents[j])
        world.append(world[up] @ local[:, j])
        place.append(place[up] + (world[up] @ offsets[:, j, :, None])[..., 0])
    out = torch.stack(place, 1)
    return out - out[:, HEAD : HEAD + 1]


def train(examples: Examples, minutes: float, out: Path) -> tuple[AvatarPoser, int]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = AvatarPoser()
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    parents = examples.clips[0].skeleton.parents
    start, step, shown = time.process_time(), 0, 0.0
    while (spent := time.process_time() - start) < 60 * minutes:
        for group in optimiser.param_groups:  # towards zero at the end of the time there is
            group["lr"] = RATE * min(1.0, step / 50 + 0.02) * max(0.02, 1 - spent / (60 * minutes))
        x, goal, offsets = examples.draw(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = net(x)
        made = made.float()
        root = (made[:, 0] - goal[:, 0]).abs().mean()
        turned = (made[:, 1:] - goal[:, 1:]).abs().mean()
        placed = (
            positions(matrices(made), offsets, parents)
            - positions(matrices(goal), offsets, parents)
        ).abs()
        loss = 0.02 * root + turned + placed.mean() + 0.3 * root
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        if spent - shown > 60:
            shown = spent
            print(f"{spent / 60:5.1f} min  step {step}  loss {loss.item():.4f}", flush=True)
            torch.save({"net": net.state_dict(), "step": step}, out)
    torch.save({"net": net.state_dict(), "step": step}, out)
    return net.eval(), step


class Trained:
    """The network as a follower; arms are solved onto the hands in closed form."""

    name = "AvatarPoser-style, retrained, + IK"

    def __init__(self, net: AvatarPoser) -> None:
        self.net = net

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return what the network makes of each frame and the 39 before it."""
        given = [source for source in sources if isinstance(source, Trackers)]
        turns, places = worn(_held(given))
        local = []
        with torch.no_grad():
            for ends in np.array_split(np.arange(len(given)), max(1, len(given) // 256)):
                x, yaw = windows(turns, places, ends)
                m = matrices(self.net(torch.from_numpy(x))).numpy().astype(np.float64)
                q = quat.from_matrix(m)
                about = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), yaw)
                q[:, 0] = quat.multiply(about, q[:, 0])
                local.append(q)
        rotations = np.concatenate(local).astype(np.float32)
        at = skeleton.forward(rotations, np.zeros((len(given), 3)))[1]
        roots = places[:, 0] - at[:, HEAD]
        return Estimate(
            clip=MotionClip(
                skeleton=skeleton,
                fps=fps,
                rotations=_pinned(skeleton, rotations, roots, turns, places),
                root_translations=roots,
            )
        )


def _held(given: Sequence[Trackers]) -> list[Trackers]:
    """Return the trackers with lost ones where they last were."""
    out: list[Trackers] = []
    for now in given:
        p, q = now.positions.copy(), now.rotations.copy()
        if out:
            p[~now.seen], q[~now.seen] = out[-1].positions[~now.seen], out[-1].rotations[~now.seen]
        out.append(Trackers(positions=p, rotations=q, seen=now.seen))
    return out


def _pinned(skeleton: Skeleton, rotations: F32, roots: F32, turns: F32, places: F32) -> F32:
    out = rotations.copy()
    for side, (upper, lower, hand) in enumerate(ARMS):
        world, at = skeleton.forward(out, roots)
        first, second = kernel.two_bone(
            at[:, upper],
            at[:, lower],
            at[:, hand],
            targets=places[:, 1 + side],
            poles=at[:, lower] - (at[:, upper] + at[:, hand]) / 2,
        )
        above = world[:, skeleton.parents[upper]]
        arm, forearm = quat.multiply(first, world[:, upper]), quat.multiply(second, world[:, lower])
        out[:, upper] = quat.multiply(quat.conjugate(above), arm)
        out[:, lower] = quat.multiply(quat.conjugate(arm), forearm)
        out[:, hand] = quat.multiply(quat.conjugate(forearm), turns[:, 1 + side])
    return quat.normalize(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--weights", type=Path, default=Path("avatarposer.pt"))
    parser.add_argument("--measure", action="store_true", help="only measure --weights")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.measure:
        net, saved = AvatarPoser(), torch.load(args.weights, weights_only=True)
        net.load_state_dict(saved["net"])
        net, steps = net.eval(), int(saved["step"])
    else:
        net, steps = train(
            Examples(list(read_packed(args.data, split="train"))), args.minutes, args.weights
        )
    dev = [true for true in read_packed(args.data, split="dev") if len(true.clip) >= 20]
    follower = Trained(net)
    rows = [headset(follower, dev)]
    rows += [row for s in DROPOUTS_S if (row := dropouts(follower, dev, lost_s=s)) is not None]
    print(f"{steps} steps of {BATCH} windows, {sum(p.numel() for p in net.parameters())} weights\n")
    print(as_markdown(rows))
    if args.json:
        args.json.write_text(json.dumps(as_json(rows, {"steps": steps, "batch": BATCH}), indent=1))


if __name__ == "__main__":
    main()
