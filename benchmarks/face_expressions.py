"""The face network: renders with known weights, training, and how well it reads unseen faces.

    python benchmarks/face_expressions.py data     # some 6 to 20 s a person, kept in the cache
    python benchmarks/face_expressions.py train    # 2 minutes; writes twinsdk/capture/*.npz
    python benchmarks/face_expressions.py score    # correlation a channel on people not trained on

What the pictures show is told in `face_pictures.py`. Needs the `avatar` extra.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from face_people import INDEX
from face_pictures import film, film_alone, pictures_path, stills_path

from twinsdk.capture import face_expressions
from twinsdk.capture.face_expressions import face_frame, turns
from twinsdk.capture.model_surgery import eye_and_lip_points
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.files import atomic_path

PEOPLE = (*range(18), 20, 21, *range(37, 48))
TEST_PEOPLE = (4, 11, 12, 13, 14, 15)  # never trained on
TURNED_PEOPLE = range(200, 235)  # of face_pictures.py
TURNED_TEST_PEOPLE = (200, 208, 216, 224, 232)  # never trained on
AHEAD = 0.5  # of the unit of turns: what still counts as looking straight
HIDDEN = 192  # of each of the networks that are averaged
STEPS, BATCH = 4500, 256
LIFT = 0.05  # to all weights: noisy pictures lower them, and 0 is the least that is told
WEIGHTS = Path(face_expressions.__file__).with_name("face_expressions.npz")

# Forehead, nose bridge, eye corners, temples: what expressions hardly move.
STABLE = (
    *(10, 151, 9, 8, 168, 6, 197, 195, 33, 133, 362, 263, 127, 356, 234, 454),
    *(67, 297, 109, 338, 54, 284, 21, 251, 162, 389, 103, 332),
)
BROWS = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
NOSE = (1, 2, 4, 5, 6, 195, 197, 48, 64, 98, 97, 278, 294, 327, 326, 49, 279, 129, 358)
CHEEKS = (
    *(50, 280, 205, 425, 187, 411, 207, 427, 216, 436, 206, 426, 36, 266, 101, 330, 123, 352),
    *(147, 376, 119, 348, 120, 349, 118, 347, 230, 450),
)
JAW = (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 199, 200, 175, 18, 171, 396)
IRISES = (468, 473)
SWAP = {"Left": "Right", "Right": "Left"}


def main() -> int:
    if sys.argv[1:] == ["data"]:
        for person in PEOPLE:
            film_alone(person)
        for person in TURNED_PEOPLE:
            film(person)
    elif sys.argv[1:] == ["train"]:
        train()
    elif sys.argv[1:] == ["score"]:
        score()
    else:
        print(__doc__)
        return 2
    return 0


class Faces:
    """One person's faces laid onto the canonical head, (N, 478, 3), and their turns (N, 2)."""

    def __init__(self, path: Path, canonical: np.ndarray) -> None:
        with np.load(path) as stored:
            raw, self.weights = stored["points"], np.clip(stored["weights"], 0, 1)
            # The first pictures were taken one by one, these in two sizes each.
            self.doubled = "face_px" in stored.files
            self.angles = stored["angles"]
        both = [face_frame(p * [1, -1, -1], canonical, STABLE) for p in raw]
        self.laid = np.array([laid for laid, _ in both])
        self.turns = np.array([turn for _, turn in both])
        self.at_rest = np.flatnonzero(self.weights.sum(1) == 0)
        ahead = np.abs(self.turns[self.at_rest]).max(1) < AHEAD
        self.straight = self.at_rest[ahead] if ahead.any() else self.at_rest

    def untwist(self, turned: np.ndarray) -> None:
        """Take out what the turn does, and tell the neutral face."""
        terms = np.array([turns(turn) for turn in self.turns])
        self.laid = self.laid - np.tensordot(terms, turned, 1).astype(np.float32)
        self.neutral = self.laid[self.straight].mean(0)

    def noise(self) -> np.ndarray:
        """What it makes of a picture (M, 478, 3) that it is smaller and noisier."""
        if not self.doubled:
            return np.zeros((0, 478, 3), np.float32)
        same = (np.diff(self.weights, axis=0) == 0).all(1) & (
            np.diff(self.angles, axis=0) == 0
        ).all(1)
        return np.diff(self.laid, axis=0)[same]


def everybody(people: Sequence[int], turned_people: Sequence[int]) -> list[Path]:
    """The files of people of the one numbering and of the other."""
    return [*map(stills_path, people), *map(pictures_path, turned_people)]


def effect_of_turns(people: list[Faces], flipped: np.ndarray) -> np.ndarray:
    """(9, 478, 3): what a turned head does to faces at rest, each against its own mean."""
    terms, faces = [], []
    for face in people:
        for mirrored in (False, True):
            turn = face.turns[face.at_rest] * ([-1, 1] if mirrored else 1)
            laid = face.laid[face.at_rest]
            laid = laid[:, flipped] * [-1, 1, 1] if mirrored else laid
            own = np.array([turns(t) for t in turn])
            terms.append(own - own.mean(0))
            faces.append((laid - laid.mean(0)).reshape(len(laid), -1))
    x, y = np.concatenate(terms), np.concatenate(faces)
    return np.linalg.lstsq(x, y, rcond=None)[0].reshape(-1, 478, 3)


def canonical_head(people: list[int]) -> np.ndarray:
    """The mean neutral face, symmetric, outer eye corners 1 apart, origin in the stable points."""
    rests = []
    for person in people:
        with np.load(stills_path(person)) as stored:
            straight = (stored["weights"].sum(1) == 0) & (np.abs(stored["angles"]).sum(1) == 0)
            rests.append(stored["points"][straight][0] * [1, -1, -1])
    mean = _standard(rests[0])
    for _ in range(5):
        mean = np.mean([face_frame(rest, mean, STABLE)[0] for rest in rests], axis=0)
        mean = _standard((mean + mean[mirror(mean)] * [-1, 1, 1]) / 2)
    return mean.astype(np.float32)


def _standard(points: np.ndarray) -> np.ndarray:
    points = points - points[list(STABLE)].mean(0)
    return points / np.linalg.norm(points[33] - points[263])


def mirror(points: np.ndarray) -> np.ndarray:
    """For each point the one on the other side of the face."""
    from scipy.optimize import linear_sum_assignment

    middle = points - [points[[33, 263], 0].mean(), 0, 0]
    distance = (((middle * [-1, 1, 1])[:, None] - middle[None]) ** 2).sum(-1)
    distance[:468, 468:] = distance[468:, :468] = 9.0  # irises mirror onto irises
    return linear_sum_assignment(distance + distance.T)[1]


def other_side() -> np.ndarray:
    """For each channel its mirror image's index."""
    names = [
        n[: -len(s)] + SWAP[s] if (s := next((s for s in SWAP if n.endswith(s)), "")) else n
        for n in EXPRESSION_NAMES
    ]
    return np.array([INDEX[n] for n in names])


def train() -> None:
    people = [p for p in PEOPLE if p not in TEST_PEOPLE]
    canonical = canonical_head(people)
    flipped, swapped = mirror(canonical), other_side()
    turned_people = [p for p in TURNED_PEOPLE if p not in TURNED_TEST_PEOPLE]
    faces = [Faces(path, canonical) for path in everybody(people, turned_people)]
    turned = effect_of_turns(faces, flipped)
    for face in faces:
        face.untwist(turned)
    lips, left_eye, right_eye = eye_and_lip_points()
    near = {*lips, *left_eye, *right_eye, *BROWS, *NOSE, *CHEEKS, *JAW, *IRISES, *STABLE}
    used = sorted(near | {*[i for i in range(478) if i not in near][::3]})
    moved = _mirrored(np.concatenate([f.laid - f.neutral for f in faces]), flipped)
    weights = np.concatenate([f.weights for f in faces])
    weights = np.concatenate([weights, weights[:, swapped]]).astype(np.float32)
    turn = np.concatenate([f.turns for f in faces])
    turn = np.concatenate([turn, turn * [-1, 1]]).astype(np.float32)
    sharp = np.tile(np.concatenate([np.full(len(f.laid), not f.doubled) for f in faces]), 2)
    unit = float(moved[:, used].std(0).mean())

    def given(points: np.ndarray) -> np.ndarray:
        return (points[:, used].reshape(len(points), -1) / unit).astype(np.float32)

    doubt, doubt_turn = doubts(faces, canonical, flipped)
    noise = _mirrored(np.concatenate([f.noise() for f in faces]), flipped)
    lessons = Lessons(
        moved=given(moved),
        turn=turn,
        weights=weights,
        sharp=sharp,
        doubt=given(doubt),
        doubt_turn=doubt_turn,
        noise=given(noise),
    )
    # One reads noisy and turned faces better, the other what single channels do from near.
    fitted = [fit(lessons, 0), fit(lessons.stills(), 1)]
    networks = len(fitted)
    numbers = {name: np.mean([one[name] for one in fitted], 0) for name in ("skip", "skip_bias")}
    for name, axis in (("hidden", 1), ("hidden_bias", 0), ("out", 0)):
        numbers[name] = np.concatenate([one[name] for one in fitted], axis)
    numbers["out"] = numbers["out"] / networks
    numbers["skip_bias"] = numbers["skip_bias"] + LIFT
    for name in ("skip", "skip_bias", "out"):
        numbers[name] = numbers[name] / (1 + LIFT)
    numbers["turned"] = turned
    from_near = weights[sharp], moved[sharp].reshape(int(sharp.sum()), -1)
    basis = np.linalg.lstsq(*from_near, rcond=None)[0]
    numbers["basis"] = basis.reshape(EXPRESSION_COUNT, 478, 3)
    with atomic_path(WEIGHTS) as temporary:
        np.savez_compressed(
            temporary,
            canonical=canonical,
            stable=np.array(STABLE, np.int16),
            used=np.array(used, np.int16),
            unit=np.float32(unit),
            **{name: value.astype(np.float16) for name, value in numbers.items()},
        )
    print(f"{len(moved)} faces of {len(faces)} people; wrote {WEIGHTS}")


def _mirrored(points: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """The points (N, 478, 3) and after them their mirror images."""
    other: np.ndarray = points[:, flipped] * np.float32([-1, 1, 1])
    return np.concatenate([points, other]).astype(np.float32)


def doubts(
    faces: list[Faces], canonical: np.ndarray, flipped: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What stays of a neutral face not yet well known, (N, 478, 3); networks read through it.

    The head's turn, other people's features, other proportions; and with what turn (N, 2) it goes.
    """
    rng = np.random.default_rng(0)
    rests = np.array([f.neutral for f in faces])
    turn = [f.turns[f.at_rest] for f in faces]
    out = [f.laid[f.at_rest] - f.neutral for f in faces]
    out += [0.7 * (rests[rng.permutation(len(rests))[:12]] - f.neutral) for f in faces]
    out += [canonical * rng.normal(0, 0.05, (200, 1, 3))]
    turn += [rng.normal(0, 0.4, (sum(map(len, out)) - sum(map(len, turn)), 2))]
    both = np.concatenate(turn)
    return (
        _mirrored(np.concatenate([d.reshape(-1, 478, 3) for d in out]), flipped),
        np.concatenate([both, both * [-1, 1]]).astype(np.float32),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """What networks learn from, N faces; displacements are flat, in units.

    Attributes:
        moved, turn, weights: (N, 3P), (N, 2), (N, 52) the faces.
        sharp: (N,) whether a face was seen without a camera's noise: some of it is added.
        doubt, doubt_turn: From `doubts`.
        noise: From `Faces.noise`.
    """

    moved: np.ndarray
    turn: np.ndarray
    weights: np.ndarray
    sharp: np.ndarray
    doubt: np.ndarray
    doubt_turn: np.ndarray
    noise: np.ndarray

    def stills(self) -> Lessons:
        """Those without noise, as they are."""
        kept = {name: getattr(self, name)[self.sharp] for name in ("moved", "turn", "weights")}
        return replace(self, **kept, sharp=np.zeros(self.sharp.sum(), bool))


def fit(lessons: Lessons, seed: int) -> dict[str, np.ndarray]:
    """One network of `HIDDEN` units from displacements (N, 3P) and turns (N, 2) to weights."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    width = lessons.moved.shape[1] + 2
    skip = torch.nn.Linear(width, EXPRESSION_COUNT)
    hidden = torch.nn.Linear(width, HIDDEN)
    out = torch.nn.Linear(HIDDEN, EXPRESSION_COUNT, bias=False)
    torch.nn.init.zeros_(out.weight)
    parameters = [*skip.parameters(), *hidden.parameters(), *out.parameters()]
    optimiser = torch.optim.AdamW(parameters, 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        seen, wanted_weights = (torch.tensor(x) for x in _batch(lessons, rng))
        guess = skip(seen) + out(torch.tanh(hidden(seen)))
        # Below 0 is as good as 0: it is clipped in use.
        loss = ((torch.nn.functional.leaky_relu(guess, 0.1) - wanted_weights) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"network {seed}: loss {loss.item():.4f}", flush=True)
    layers = {
        "skip": skip.weight.T,
        "skip_bias": skip.bias,
        "hidden": hidden.weight.T,
        "hidden_bias": hidden.bias,
        "out": out.weight.T,
    }
    return {name: value.detach().numpy() for name, value in layers.items()}


def _batch(lessons: Lessons, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw (inputs, weights) of some faces, each seen with some doubt and noise."""
    pick = rng.integers(0, len(lessons.moved), BATCH)
    seen = lessons.moved[pick] + 0.1 * rng.standard_normal(
        (BATCH, lessons.moved.shape[1]), np.float32
    )
    # Of a few doubts the one that goes best with how the head is turned.
    few = rng.integers(0, len(lessons.doubt), (BATCH, 8))
    gap = ((lessons.doubt_turn[few] - lessons.turn[pick][:, None]) ** 2).sum(-1)
    doubt = lessons.doubt[few[np.arange(BATCH), gap.argmin(1)]]
    share = rng.uniform(-1, 1, (BATCH, 1)) * (rng.random((BATCH, 1)) < 0.5)
    seen = seen + share.astype(np.float32) * doubt
    blurred = lessons.sharp[pick] & (rng.random(BATCH) < 0.3)
    seen[blurred] += lessons.noise[rng.integers(0, len(lessons.noise), blurred.sum())]
    return np.concatenate([seen, lessons.turn[pick]], 1), lessons.weights[pick]


def score() -> None:
    """Print how each channel is read on people not trained on, their own neutral face known."""
    network = face_expressions.load_network()
    columns = []
    for paths in (everybody(TEST_PEOPLE, ()), everybody((), TURNED_TEST_PEOPLE)):
        read, truth = [], []
        for path in paths:
            faces = Faces(path, network.canonical)
            faces.untwist(network.turned)
            both = zip(faces.laid, faces.turns, strict=True)
            read += [np.clip(network(laid - faces.neutral, turn), 0, 1) for laid, turn in both]
            truth += list(faces.weights)
        got, want = np.array(read), np.array(truth)
        error = float(((got - want) ** 2).mean() ** 0.5)
        flat = (got.std(0) == 0) | (want.std(0) == 0)
        columns.append(
            [0.0 if flat[i] else np.corrcoef(got[:, i], want[:, i])[0, 1] for i in INDEX.values()]
        )
        print(
            f"{len(got)} faces of {len(paths)} people; root mean square error {error:.3f}, "
            f"mean correlation {np.mean(columns[-1]):.3f}"
        )
    print("| channel | single pictures | turned and noisy |\n|---|---|---|")
    for name, near, turned in zip(EXPRESSION_NAMES, *columns, strict=True):
        print(f"| {name} | {near:.2f} | {turned:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
