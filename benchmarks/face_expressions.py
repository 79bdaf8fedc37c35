"""The face network: renders with known weights, training, and how well it reads unseen faces.

    python benchmarks/face_expressions.py data     # 31 people, some 20 s each, kept in the cache
    python benchmarks/face_expressions.py train    # 2 minutes; writes twinsdk/capture/*.npz
    python benchmarks/face_expressions.py score    # correlation a channel on people not trained on

Every picture is a render of a generated avatar with known expression weights, seen by the tracker's
face model. Needs the `avatar` extra.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from twinsdk.capture import face_expressions
from twinsdk.capture.face_expressions import face_frame, turns
from twinsdk.capture.model_surgery import eye_and_lip_points
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.files import atomic_path, cache_dir

# Pictures of a head, its face being 0.7 as wide; most from near, some as small as on full figures.
SIDES_PX = {224: 0.55, 144: 0.25, 88: 0.2}
TILE_PX = 256  # what the tracker makes of them
PEOPLE = (*range(18), 20, 21, *range(37, 48))
DATA = 2  # raised when people's faces or morphs change
TEST_PEOPLE = (4, 11, 12, 13, 14, 15)  # never trained on
HIDDEN = 96  # of each of the networks that are averaged
NETWORKS = 3
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
PAIRS = (
    *("eyeBlink", "eyeSquint", "eyeWide", "mouthSmile", "mouthFrown", "mouthDimple"),
    *("mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "browDown"),
    *("browOuterUp", "cheekSquint", "noseSneer"),
)
SINGLES = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("jawLeft", "jawRight", "jawForward", "browInnerUp", "cheekPuff", "mouthRollLower"),
    *("mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
)
GAZES = (
    ("eyeLookUpLeft", "eyeLookUpRight"),
    ("eyeLookDownLeft", "eyeLookDownRight"),
    ("eyeLookOutLeft", "eyeLookInRight"),
    ("eyeLookInLeft", "eyeLookOutRight"),
)
INDEX = {name: i for i, name in enumerate(EXPRESSION_NAMES)}
SWAP = {"Left": "Right", "Right": "Left"}


def main() -> int:
    if sys.argv[1:] == ["data"]:
        for person in PEOPLE:
            make_data(person)
    elif sys.argv[1:] == ["train"]:
        train()
    elif sys.argv[1:] == ["score"]:
        score()
    else:
        print(__doc__)
        return 2
    return 0


def data_path(person: int) -> Path:
    return cache_dir("face_expressions") / f"person-{DATA}-{person}.npz"


def someone(person: int):
    """A person unlike the others: shape, skin, hair and eyes follow from the number."""
    from twinsdk.avatar import AvatarSpec
    from twinsdk.avatar.spec import Colors

    rng = np.random.default_rng(100 + person)
    shares = rng.dirichlet((0.6, 0.6, 0.6))
    skins = ("#f2d3bf", "#d9a384", "#b98058", "#8d5a3b", "#5c3a26", "#e5b897")
    return AvatarSpec(
        seed=person + 100,
        face_variety=0.8,
        gender=float(rng.random()),
        age_years=float(rng.uniform(16, 75)),
        weight=float(rng.uniform(0.2, 0.8)),
        african=float(shares[0]),
        asian=float(shares[1]),
        caucasian=float(shares[2]),
        hair=("short", "bob", "long", "shaved")[person % 4],
        colors=Colors(skin=skins[person % 6], eyes=("#5b7f95", "#4a3020", "#6b5a30")[person % 3]),
    )


def wanted(person: int) -> list[tuple[np.ndarray, float, float]]:
    """(weights, camera yaw, camera pitch): rest from many sides, each channel, random mixtures."""
    rng = np.random.default_rng(1000 + person)
    rest = np.zeros(EXPRESSION_COUNT, np.float32)
    samples = [(rest, 0.0, 0.0)]
    samples += [(rest, float(rng.uniform(-35, 35)), float(rng.uniform(-18, 18))) for _ in range(15)]
    groups = [(name,) for name in SINGLES] + [(f"{p}Left", f"{p}Right") for p in PAIRS]
    for names in (*groups, *GAZES):
        one = rest.copy()
        one[[INDEX[name] for name in names]] = rng.uniform(0.7, 1.0)
        samples.append((one, float(rng.uniform(-15, 15)), float(rng.uniform(-10, 10))))
    for _ in range(150):
        mix = rest.copy()
        for g in rng.choice(len(groups), rng.integers(1, 7), replace=False):
            names = groups[g]
            if len(names) == 2 and rng.random() < 0.3:
                names = (names[rng.integers(2)],)
            mix[[INDEX[name] for name in names]] = rng.uniform(0.1, 1)
        if rng.random() < 0.5:
            for gaze in rng.choice(4, rng.integers(1, 3), replace=False):
                mix[[INDEX[name] for name in GAZES[gaze]]] += rng.uniform(0.2, 1)
        if mix[INDEX["mouthClose"]]:  # lips closed over an open jaw
            wide = rng.uniform(0.4, 0.9) * mix[INDEX["mouthClose"]]
            mix[INDEX["jawOpen"]] = max(mix[INDEX["jawOpen"]], wide)
        samples.append((mix, float(rng.uniform(-30, 30)), float(rng.uniform(-15, 15))))
    return samples


def make_data(person: int) -> None:
    """Render one person in every wanted face and keep what the face model sees."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from twinsdk.avatar import generate_avatar
    from twinsdk.capture.models import resolve_models
    from twinsdk.capture.regions import cut, whole
    from twinsdk.render.camera import Camera
    from twinsdk.render.renderer import Renderer

    if data_path(person).exists():
        return
    avatar = generate_avatar(someone(person), progress=False)
    rng = np.random.default_rng(2000 + person)
    points = avatar.mesh.vertices
    morphs = avatar.morphs.offsets[[avatar.morphs.names.index(n) for n in EXPRESSION_NAMES]]
    renderers = {
        side: Renderer(avatar.mesh, side, side, shadows=False, antialias=1 if side > 200 else 2)
        for side in SIDES_PX
    }
    height = float(np.ptp(points[:, 1]))
    head = points[points[:, 1] > points[:, 1].max() - height / 7.5]
    head = head[np.abs(head[:, 0] - np.median(head[:, 0])) < height / 6]
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(resolve_models().face))
    )
    kept: list[tuple[np.ndarray, np.ndarray, tuple[float, float], int]] = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for weights, yaw, pitch in wanted(person):
            straight = yaw == pitch == 0
            side = (
                max(SIDES_PX) if straight else int(rng.choice([*SIDES_PX], p=[*SIDES_PX.values()]))
            )
            fov = 30.0 if straight else float(rng.uniform(15, 55))
            camera = Camera.framing(
                head, 1.3, yaw_deg=yaw, pitch_deg=pitch, fov_deg=fov, aspect=1.0
            )
            moved = points + np.tensordot(weights, morphs, 1)
            tile = cut(renderers[side].draw(moved, camera=camera), whole((side, side)), TILE_PX)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=tile)
            found = landmarker.detect(image).face_landmarks
            if found:
                xyz = np.array([(p.x, p.y, p.z) for p in found[0]], np.float32)
                kept.append((xyz, weights, (yaw, pitch), side))
    with atomic_path(data_path(person)) as temporary:
        np.savez(
            temporary,
            points=np.array([k[0] for k in kept]),
            weights=np.array([k[1] for k in kept]),
            angles=np.array([k[2] for k in kept], np.float32),
            sides_px=np.array([k[3] for k in kept]),
        )
    print(f"person {person}: {len(kept)} faces", flush=True)


class Faces:
    """One person's faces laid onto the canonical head, (N, 478, 3), and their turns (N, 2)."""

    def __init__(self, person: int, canonical: np.ndarray) -> None:
        with np.load(data_path(person)) as stored:
            raw, self.weights, angles = (stored[k] for k in ("points", "weights", "angles"))
        both = [face_frame(p * [1, -1, -1], canonical, STABLE) for p in raw]
        self.laid = np.array([laid for laid, _ in both])
        self.turns = np.array([turn for _, turn in both])
        self.at_rest = np.flatnonzero(self.weights.sum(1) == 0)
        self.straight = self.at_rest[np.abs(angles[self.at_rest]).sum(1) == 0][0]

    def untwist(self, turned: np.ndarray) -> None:
        """Take out what the turn does, and tell the neutral face."""
        terms = np.array([turns(turn) for turn in self.turns])
        self.laid = self.laid - np.tensordot(terms, turned, 1)
        self.neutral = self.laid[self.straight]


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
        with np.load(data_path(person)) as stored:
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
    faces = [Faces(person, canonical) for person in people]
    turned = effect_of_turns(faces, flipped)
    for face in faces:
        face.untwist(turned)
    lips, left_eye, right_eye = eye_and_lip_points()
    used = sorted({*lips, *left_eye, *right_eye, *BROWS, *NOSE, *CHEEKS, *JAW, *IRISES})
    moved = np.concatenate([f.laid - f.neutral for f in faces])
    weights = np.clip(np.concatenate([f.weights for f in faces]), 0, 1)
    turn = np.concatenate([f.turns for f in faces])
    moved = np.concatenate([moved, moved[:, flipped] * [-1, 1, 1]])
    weights = np.concatenate([weights, weights[:, swapped]]).astype(np.float32)
    turn = np.concatenate([turn, turn * [-1, 1]])
    unit = float(moved[:, used].std(0).mean())

    def given(points: np.ndarray) -> np.ndarray:
        return (points[:, used].reshape(len(points), -1) / unit).astype(np.float32)

    doubt = given(doubts(faces, canonical, flipped))
    fitted = [fit(given(moved), turn, weights, doubt, seed) for seed in range(NETWORKS)]
    numbers = {name: np.mean([one[name] for one in fitted], 0) for name in ("skip", "skip_bias")}
    for name, axis in (("hidden", 1), ("hidden_bias", 0), ("out", 0)):
        numbers[name] = np.concatenate([one[name] for one in fitted], axis)
    numbers["out"] = numbers["out"] / NETWORKS
    numbers["skip_bias"] = numbers["skip_bias"] + LIFT
    for name in ("skip", "skip_bias", "out"):
        numbers[name] = numbers[name] / (1 + LIFT)
    numbers["turned"] = turned
    basis = np.linalg.lstsq(weights, moved.reshape(len(moved), -1), rcond=None)[0]
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
    print(f"{len(moved)} faces of {len(people)} people; wrote {WEIGHTS}")


def doubts(faces: list[Faces], canonical: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """What stays of a neutral face not yet well known, (N, 478, 3); networks read through it.

    The head's turn, other people's features, other proportions.
    """
    rng = np.random.default_rng(0)
    rests = np.array([f.neutral for f in faces])
    out = [f.laid[f.at_rest] - f.neutral for f in faces]
    out += [0.7 * (rests[rng.permutation(len(rests))[:12]] - f.neutral) for f in faces]
    out += [canonical * rng.normal(0, 0.05, (200, 1, 3))]
    doubt = np.concatenate([d.reshape(-1, 478, 3) for d in out])
    return np.concatenate([doubt, doubt[:, flipped] * [-1, 1, 1]])


def fit(
    moved: np.ndarray, turn: np.ndarray, weights: np.ndarray, doubt: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """One network of `HIDDEN` units from displacements (N, 3P) and turns (N, 2) to weights."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    inputs, doubt_t = torch.tensor(moved), torch.tensor(doubt)
    turn_t = torch.tensor(turn, dtype=torch.float32)
    target = torch.tensor(weights)
    skip = torch.nn.Linear(inputs.shape[1] + 2, EXPRESSION_COUNT)
    hidden = torch.nn.Linear(inputs.shape[1] + 2, HIDDEN)
    out = torch.nn.Linear(HIDDEN, EXPRESSION_COUNT, bias=False)
    torch.nn.init.zeros_(out.weight)
    parameters = [*skip.parameters(), *hidden.parameters(), *out.parameters()]
    optimiser = torch.optim.AdamW(parameters, 1e-3, weight_decay=0.05)
    epochs, batch = 80, 128
    steps = epochs * (len(inputs) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(steps):
        pick = torch.tensor(rng.integers(0, len(inputs), batch))
        unsure = torch.tensor(rng.integers(0, len(doubt), batch))
        share = torch.tensor(rng.random((batch, 1)) * (rng.random((batch, 1)) < 0.5)).float()
        seen = inputs[pick] - share * doubt_t[unsure] + 0.1 * torch.randn(batch, inputs.shape[1])
        seen = torch.cat([seen, turn_t[pick]], 1)
        guess = skip(seen) + out(torch.tanh(hidden(seen)))
        # Below 0 is as good as 0: it is clipped in use.
        loss = ((torch.nn.functional.leaky_relu(guess, 0.1) - target[pick]) ** 2).mean()
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


def score() -> None:
    """Print how each channel is read on people not trained on, their own neutral face known."""
    network = face_expressions.load_network()
    read, truth = [], []
    for person in TEST_PEOPLE:
        faces = Faces(person, network.canonical)
        faces.untwist(network.turned)
        both = zip(faces.laid, faces.turns, strict=True)
        read += [np.clip(network(laid - faces.neutral, turn), 0, 1) for laid, turn in both]
        truth += list(faces.weights)
    got, want = np.array(read), np.array(truth)
    error = float(((got - want) ** 2).mean() ** 0.5)
    print(f"{len(got)} faces of {len(TEST_PEOPLE)} people; root mean square error {error:.3f}")
    print("| channel | correlation | read at 0.8 to 1 | read at 0 |\n|---|---|---|---|")
    for i, name in enumerate(EXPRESSION_NAMES):
        flat = got[:, i].std() == 0
        correlation = 0.0 if flat else float(np.corrcoef(got[:, i], want[:, i])[0, 1])
        high, low = got[want[:, i] > 0.8, i].mean(), got[want[:, i] == 0, i].mean()
        print(f"| {name} | {correlation:.2f} | {high:.2f} | {low:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
