"""The face network: renders with known weights, training, and how well it reads unseen faces.

    python benchmarks/face_expressions.py data     # 12 people, some 30 s each, kept in the cache
    python benchmarks/face_expressions.py train    # 1 minute; writes twinsdk/capture/*.npz
    python benchmarks/face_expressions.py score    # correlation a channel on people not trained on

Every picture is a render of a generated avatar with known expression weights, seen by the tracker's
face model. Needs the `avatar` extra.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from twinsdk.capture import face_expressions
from twinsdk.capture.face_expressions import face_frame
from twinsdk.capture.model_surgery import eye_and_lip_points
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.files import atomic_path, cache_dir

SIDE_PX = 288
PEOPLE = 12
TEST_PEOPLE = (4, 11)  # never trained on
HIDDEN = 96
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
        for person in range(PEOPLE):
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
    return cache_dir("face_expressions") / f"person_{person}.npz"


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
    """(weights, camera yaw, camera pitch): rest from all sides, each channel, random mixtures."""
    rng = np.random.default_rng(1000 + person)
    rest = np.zeros(EXPRESSION_COUNT, np.float32)
    samples = [(rest, float(y), float(p)) for y in (-30, -15, 0, 15, 30) for p in (-15, 0, 15)]
    for channel in range(EXPRESSION_COUNT):
        for weight in (0.5, 1.0):
            one = rest.copy()
            one[channel] = weight
            turned = weight < 1
            yaw, pitch = (rng.uniform(-20, 20), rng.uniform(-12, 12)) if turned else (0.0, 0.0)
            samples.append((one, yaw, pitch))
    groups = [(name,) for name in SINGLES] + [(f"{p}Left", f"{p}Right") for p in PAIRS]
    for _ in range(330):
        mix = rest.copy()
        for g in rng.choice(len(groups), rng.integers(1, 4), replace=False):
            names = groups[g]
            if len(names) == 2 and rng.random() < 0.3:
                names = (names[rng.integers(2)],)
            mix[[INDEX[name] for name in names]] = rng.uniform(0.2, 1)
        if rng.random() < 0.4:
            mix[[INDEX[name] for name in GAZES[rng.integers(4)]]] = rng.uniform(0.2, 1)
        samples.append((mix, rng.uniform(-25, 25), rng.uniform(-12, 12)))
    return samples


def make_data(person: int) -> None:
    """Render one person in every wanted face and keep what the face model sees."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from twinsdk.avatar import generate_avatar
    from twinsdk.capture.models import resolve_models
    from twinsdk.render.camera import Camera
    from twinsdk.render.renderer import Renderer

    if data_path(person).exists():
        return
    avatar = generate_avatar(someone(person), progress=False)
    points = avatar.mesh.vertices
    morphs = avatar.morphs.offsets[[avatar.morphs.names.index(n) for n in EXPRESSION_NAMES]]
    renderer = Renderer(avatar.mesh, SIDE_PX, SIDE_PX, shadows=False)
    height = float(np.ptp(points[:, 1]))
    head = points[points[:, 1] > points[:, 1].max() - height / 7.5]
    head = head[np.abs(head[:, 0] - np.median(head[:, 0])) < height / 6]
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(resolve_models().face))
    )
    kept: list[tuple[np.ndarray, np.ndarray, tuple[float, float]]] = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for weights, yaw, pitch in wanted(person):
            camera = Camera.framing(
                head, 1.3, yaw_deg=yaw, pitch_deg=pitch, fov_deg=30.0, aspect=1.0
            )
            picture = renderer.draw(points + np.tensordot(weights, morphs, 1), camera=camera)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
            found = landmarker.detect(image).face_landmarks
            if found:
                xyz = np.array([(p.x, p.y, p.z) for p in found[0]], np.float32)
                kept.append((xyz, weights, (yaw, pitch)))
    with atomic_path(data_path(person)) as temporary:
        np.savez(
            temporary,
            points=np.array([k[0] for k in kept]),
            weights=np.array([k[1] for k in kept]),
            angles=np.array([k[2] for k in kept], np.float32),
        )
    print(f"person {person}: {len(kept)} faces")


class Faces:
    """One person's faces laid onto the canonical head."""

    def __init__(self, person: int, canonical: np.ndarray) -> None:
        with np.load(data_path(person)) as stored:
            raw, self.weights, self.angles = (stored[k] for k in ("points", "weights", "angles"))
        self.laid = np.array([face_frame(p * [1, -1, -1], canonical, STABLE) for p in raw])
        self.at_rest = np.flatnonzero(self.weights.sum(1) == 0)
        straight = self.at_rest[np.abs(self.angles[self.at_rest]).sum(1) == 0]
        self.neutral = self.laid[straight[0]]


def canonical_head(people: list[int]) -> np.ndarray:
    """The mean neutral face, symmetric, outer eye corners 1 apart, origin in the stable points."""
    rests = []
    for person in people:
        with np.load(data_path(person)) as stored:
            straight = (stored["weights"].sum(1) == 0) & (np.abs(stored["angles"]).sum(1) == 0)
            rests.append(stored["points"][straight][0] * [1, -1, -1])
    mean = _standard(rests[0])
    for _ in range(5):
        mean = np.mean([face_frame(rest, mean, STABLE) for rest in rests], axis=0)
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
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    people = [p for p in range(PEOPLE) if p not in TEST_PEOPLE]
    canonical = canonical_head(people)
    faces = [Faces(person, canonical) for person in people]
    lips, left_eye, right_eye = eye_and_lip_points()
    used = sorted({*lips, *left_eye, *right_eye, *BROWS, *NOSE, *CHEEKS, *JAW, *IRISES})
    flipped, swapped = mirror(canonical), other_side()
    moved = np.concatenate([f.laid - f.neutral for f in faces])
    weights = np.concatenate([f.weights for f in faces])
    moved = np.concatenate([moved, moved[:, flipped] * [-1, 1, 1]])
    weights = np.concatenate([weights, weights[:, swapped]]).astype(np.float32)
    unit = float(moved[:, used].std(0).mean())
    # What stays of a neutral face not yet well known: the head's turn, other people's features,
    # other proportions. The network learns to read through these.
    rests = np.array([f.neutral for f in faces])
    doubts = [f.laid[f.at_rest] - f.neutral for f in faces]
    doubts += [0.7 * (rests - f.neutral) for f in faces]
    doubts += [canonical * rng.normal(0, 0.05, (200, 1, 3))]
    doubt = np.concatenate([d.reshape(-1, 478, 3) for d in doubts])
    doubt = np.concatenate([doubt, doubt[:, flipped] * [-1, 1, 1]])

    inputs = torch.tensor(moved[:, used].reshape(len(moved), -1) / unit, dtype=torch.float32)
    doubt_t = torch.tensor(doubt[:, used].reshape(len(doubt), -1) / unit, dtype=torch.float32)
    target = torch.tensor(weights)
    skip = torch.nn.Linear(inputs.shape[1], EXPRESSION_COUNT)
    hidden = torch.nn.Linear(inputs.shape[1], HIDDEN)
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
        given = inputs[pick] - share * doubt_t[unsure] + 0.1 * torch.randn(batch, inputs.shape[1])
        guess = skip(given) + out(torch.tanh(hidden(given)))
        # Below 0 is as good as 0: it is clipped in use.
        loss = ((torch.nn.functional.leaky_relu(guess, 0.1) - target[pick]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    basis = np.linalg.lstsq(weights, moved.reshape(len(moved), -1), rcond=None)[0]
    numbers = {
        "skip": skip.weight.T,
        "skip_bias": skip.bias,
        "hidden": hidden.weight.T,
        "hidden_bias": hidden.bias,
        "out": out.weight.T,
    }
    with atomic_path(WEIGHTS) as temporary:
        np.savez_compressed(
            temporary,
            canonical=canonical,
            stable=np.array(STABLE, np.int16),
            used=np.array(used, np.int16),
            unit=np.float32(unit),
            basis=basis.reshape(EXPRESSION_COUNT, 478, 3).astype(np.float16),
            **{name: value.detach().numpy().astype(np.float16) for name, value in numbers.items()},
        )
    print(f"{len(inputs)} faces of {len(people)} people, loss {loss.item():.4f}; wrote {WEIGHTS}")


def score() -> None:
    """Print how each channel is read on people not trained on, their own neutral face known."""
    network = face_expressions.load_network()
    read, truth = [], []
    for person in TEST_PEOPLE:
        faces = Faces(person, network.canonical)
        read += [np.clip(network(laid - faces.neutral), 0, 1) for laid in faces.laid]
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
