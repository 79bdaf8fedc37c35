"""Expressions from points: what must not matter, what must, and one real smile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twinsdk.capture.face_expressions import (
    UNSEEN_EXPRESSIONS,
    ExpressionSolver,
    face_frame,
    load_network,
    turns,
)
from twinsdk.core.expressions import EXPRESSION_NAMES, expression
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import ShapeError

GOLDEN = Path(__file__).parents[1] / "golden" / "face_478_mediapipe_0_10_21.json"
SIZE = (640, 480)
CLEAR = (
    "jawOpen",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthPucker",
    "mouthFunnel",
    "browInnerUp",
    "browDownLeft",
    "browDownRight",
)


def seen(
    points: np.ndarray,
    *,
    px: float = 90.0,
    turn: np.ndarray | None = None,
    middle: tuple[float, float] = (320, 240),
) -> ImageLandmarks:
    """Points on the canonical head as a camera far away sees them, turned and `px` a unit.

    The face model makes of a turned head what it makes of one on average.
    """
    if turn is not None:
        right, up, ahead = turn[:, 2]
        facing = np.array([np.arctan2(right, ahead), np.arcsin(up)]) / 0.5
        points = points + np.tensordot(turns(facing), load_network().turned, 1)
    turned = points @ (np.eye(3) if turn is None else turn).T * px
    pixels = turned[:, :2] * [1, -1] + middle
    return ImageLandmarks(
        names=FACE_NAMES, uv=pixels / SIZE, size_px=SIZE, depth=-turned[:, 2] / SIZE[0]
    )


def turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """A rotation matrix of three angles in degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_x = [[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]]
    about_z = [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    return np.array(about_y) @ about_x @ about_z


def face(name: str = "jawOpen", weight: float = 0.0) -> np.ndarray:
    """The canonical face with one expression, as far as it moves the points on average."""
    network = load_network()
    return network.canonical + weight * network.basis[expression(name)]


def settled() -> ExpressionSolver:
    """A solver that has seen the canonical face at rest for a second."""
    solver = ExpressionSolver()
    for _ in range(35):
        solver.solve(seen(face()))
    return solver


def test_a_face_at_rest_reads_as_nothing() -> None:
    assert settled().solve(seen(face())).max() < 0.08


@pytest.mark.parametrize("name", CLEAR)
def test_an_expression_reads_as_itself_and_rises_with_its_weight(name: str) -> None:
    solver = settled()
    levels = [solver.solve(seen(face(name, weight))) for weight in (0, 0.5, 1.0)]
    index = expression(name)
    assert levels[0][index] < levels[1][index] - 0.1
    assert levels[1][index] < levels[2][index]
    assert levels[2][index] > 0.5
    strongest = EXPRESSION_NAMES[int(np.argmax(levels[2]))]
    assert strongest == name


@pytest.mark.parametrize("angles", [(25, 0, 0), (-25, 10, 0), (0, -15, 20), (10, 10, -30)])
def test_turning_moving_and_zooming_change_no_expression(angles: tuple[float, ...]) -> None:
    straight = settled().solve(seen(face("mouthSmileLeft", 0.8)))
    elsewhere = seen(face("mouthSmileLeft", 0.8), px=41.0, turn=turn(*angles), middle=(100, 400))
    read = settled().solve(elsewhere)
    assert np.abs(read - straight).max() < 0.3
    assert np.abs(read - straight).mean() < 0.03


@pytest.mark.parametrize("angles", [(0, 0, 0), (0, 0, 30), (0, 0, -70)])
def test_moving_tilting_and_zooming_change_no_expression_at_all(angles: tuple[float, ...]) -> None:
    straight = settled().solve(seen(face("mouthSmileLeft", 0.8)))
    elsewhere = seen(face("mouthSmileLeft", 0.8), px=41.0, turn=turn(*angles), middle=(100, 400))
    # An exact law for a distant camera; float32 in, a network of gain 10 behind it.
    np.testing.assert_allclose(settled().solve(elsewhere), straight, atol=2e-3)


def test_the_mirrored_face_has_the_other_sides_smile() -> None:
    network = load_network()
    left = settled().solve(seen(face("mouthSmileLeft", 1.0)))
    right = settled().solve(seen(face("mouthSmileRight", 1.0)))
    ours, theirs = expression("mouthSmileLeft"), expression("mouthSmileRight")
    assert left[ours] > 0.6
    assert left[theirs] < 0.3
    assert right[theirs] > 0.6
    assert right[ours] < 0.3
    # Whose left: +X of the canonical head is the person's left, and that corner is what moves.
    moved = np.abs(network.basis[ours]).sum(1)
    assert network.canonical[int(np.argmax(moved)), 0] > 0


def test_another_face_at_rest_becomes_neutral_within_a_second() -> None:
    rng = np.random.default_rng(3)
    network = load_network()
    # Somebody with a wider, shorter, flatter face, each point 1 % of the eye distance off.
    person = network.canonical * [1.05, 0.96, 0.92] + rng.normal(0, 0.01, (478, 3))
    solver = ExpressionSolver()
    for _ in range(35):
        read = solver.solve(seen(person))
    assert read.max() < 0.25
    smile = solver.solve(seen(person + network.basis[expression("mouthSmileLeft")]))
    assert smile[expression("mouthSmileLeft")] > 0.4


def test_a_full_expression_held_for_long_is_not_taken_for_the_neutral_face() -> None:
    solver = settled()
    held = seen(face("jawOpen", 1.0))
    first = solver.solve(held)[expression("jawOpen")]
    for _ in range(30 * 10):
        last = solver.solve(held)[expression("jawOpen")]
    assert last > 0.75 * first


def test_noise_is_calmed_and_a_blink_is_not() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.01, (60, 478, 3))
    smiling = face("mouthSmileLeft", 0.5)
    calm, restless = settled(), settled()
    read = np.array([calm.solve(seen(smiling + one)) for one in noise])[20:]
    far_apart = np.array([restless.solve(seen(smiling + one), dt_s=1.0) for one in noise])[20:]
    index = expression("mouthSmileLeft")
    assert np.diff(read[:, index]).std() < 0.6 * np.diff(far_apart[:, index]).std()
    lid = expression("eyeBlinkLeft")
    before = calm.solve(seen(face()))[lid]
    assert calm.solve(seen(face("eyeBlinkLeft", 1.0)))[lid] > before + 0.7


def test_of_a_small_face_what_it_cannot_tell_is_shown_nearer_to_rest_and_calmer() -> None:
    rng = np.random.default_rng(7)
    both = face("browDownLeft", 0.8) + face("jawOpen", 0.8) - face()
    noisy = [both + one for one in rng.normal(0, 0.01, (60, 478, 3))]

    def read(px: float) -> np.ndarray:
        solver = ExpressionSolver()
        for _ in range(35):
            solver.solve(seen(face(), px=px))
        return np.array([solver.solve(seen(one, px=px)) for one in noisy])[20:]

    near, far = read(90.0), read(10.0)
    brow, jaw = expression("browDownLeft"), expression("jawOpen")
    assert far[:, brow].mean() < 0.5 * near[:, brow].mean()
    assert np.diff(far[:, brow]).std() < 0.5 * np.diff(near[:, brow]).std()
    assert far[:, jaw].mean() == pytest.approx(near[:, jaw].mean(), abs=0.02)


def test_reset_forgets_the_person() -> None:
    solver = ExpressionSolver()
    once = [solver.solve(seen(face("jawOpen", w))) for w in (0, 0.3, 1)]
    solver.reset()
    again = [solver.solve(seen(face("jawOpen", w))) for w in (0, 0.3, 1)]
    np.testing.assert_array_equal(once, again)


def test_channels_the_points_do_not_determine_stay_zero() -> None:
    rng = np.random.default_rng(1)
    solver = ExpressionSolver()
    silent = [expression(name) for name in UNSEEN_EXPRESSIONS]
    for _ in range(20):
        weights = solver.solve(seen(face() + rng.normal(0, 0.05, (478, 3))))
        assert (weights[silent] == 0).all()
        assert (weights >= 0).all()
        assert (weights <= 1).all()


def test_a_real_smile_is_read_as_one() -> None:
    # The portrait of the golden file: a broad smile, teeth showing, both eyes open.
    points = np.array(json.loads(GOLDEN.read_text())["points"], np.float32)
    portrait = ImageLandmarks(
        names=FACE_NAMES, uv=points[:, :2], size_px=(256, 256), depth=points[:, 2]
    )
    weights = ExpressionSolver().solve(portrait)
    smile = weights[[expression("mouthSmileLeft"), expression("mouthSmileRight")]]
    assert smile.min() > 0.3  # a third of it may be how she looks at rest
    assert weights[[expression("eyeBlinkLeft"), expression("eyeBlinkRight")]].max() < 0.4


def test_points_of_something_else_are_refused() -> None:
    few = ImageLandmarks(names=("a", "b"), uv=np.zeros((2, 2)), size_px=SIZE)
    with pytest.raises(ShapeError, match="478"):
        ExpressionSolver().solve(few)


def test_face_frame_undoes_any_rotation_scale_and_shift() -> None:
    network = load_network()
    moved = 3.7 * network.canonical @ turn(40, -20, 70).T + [5, -2, 9]
    back, facing = face_frame(moved, network.canonical, network.stable)
    np.testing.assert_allclose(back, network.canonical, atol=1e-5)
    ahead = turn(40, -20, 70)[:, 2]
    assert np.sin(0.5 * facing[1]) == pytest.approx(ahead[1], abs=1e-5)
    assert np.tan(0.5 * facing[0]) == pytest.approx(ahead[0] / ahead[2], abs=1e-5)


def test_a_face_of_no_size_is_no_crash() -> None:
    point = ImageLandmarks(names=FACE_NAMES, uv=np.full((478, 2), 0.5), size_px=SIZE)
    assert np.isfinite(ExpressionSolver().solve(point)).all()
