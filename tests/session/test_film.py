"""Films and their truth: what was seen beside what was solved, picture for picture."""

import cv2
import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.expressions import expression
from twinsdk.session.choreography import DURATION_S, close_up
from twinsdk.session.film import Film
from twinsdk.session.truth import film_with_truth

pytest.importorskip("open3d")


def pictures(path):
    film = cv2.VideoCapture(str(path))
    out = []
    while True:
        there, bgr = film.read()
        if not there:
            return np.array(out)
        out.append(bgr[..., ::-1])


def run(film, source, tracker, avatar):
    with tw.Session(source, avatar, tracker=tracker) as session:
        for step in session.steps():
            film.add(step)


def test_a_film_has_a_picture_for_every_step_input_left_twin_right(
    tmp_path, make_source, make_tracker, bead_avatar
):
    video, sheet = tmp_path / "film.mp4", tmp_path / "sheet.png"
    with Film(video, sheet, avatar=bead_avatar, reopen=lambda: make_source(12)) as film:
        run(film, make_source(12), make_tracker(range(2, 12)), bead_avatar)
        film.write(progress=False)
    shown = pictures(video)
    assert len(shown) == 12
    assert shown.shape[1] == 480
    assert shown[:, :, :600].mean() < 60  # the counted source is nearly black
    assert shown[-1][:, -300:].std() > 5  # the beads are not
    assert cv2.imread(str(sheet)).size
    assert sorted(tmp_path.iterdir()) == [video, sheet]


def test_a_live_film_keeps_its_own_footage(tmp_path, make_source, make_tracker, bead_avatar):
    video = tmp_path / "film.webm"
    with Film(video, None, avatar=bead_avatar, reopen=None) as film:
        run(film, make_source(8, live=True, spacing_s=0.05), make_tracker(), bead_avatar)
        film.write(progress=False)
    assert 4 <= len(pictures(video)) <= 8
    assert list(tmp_path.iterdir()) == [video]


def test_nobody_seen_is_no_film(tmp_path, make_source, make_tracker, bead_avatar):
    video = tmp_path / "film.mp4"
    with Film(video, None, avatar=bead_avatar, reopen=lambda: make_source(5)) as film:
        run(film, make_source(5), make_tracker(range(0)), bead_avatar)
        film.write(progress=False)
    assert not video.exists()


def test_an_interrupted_film_is_whole_up_to_there(
    tmp_path, make_source, make_tracker, bead_avatar, monkeypatch
):
    video = tmp_path / "film.mp4"
    with Film(video, None, avatar=bead_avatar, reopen=lambda: make_source(12)) as film:
        run(film, make_source(12), make_tracker(), bead_avatar)
        paint, count = film._paint, []

        def interrupted(*arguments):
            count.append(1)
            if len(count) == 6:
                raise KeyboardInterrupt
            return paint(*arguments)

        monkeypatch.setattr(film, "_paint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            film.write(progress=False)
    assert len(pictures(video)) == 5


def test_the_performance_is_a_possible_one():
    clip = close_up(fps=30)
    assert clip.duration_s == DURATION_S
    assert clip.expressions.min() >= 0
    assert clip.expressions.max() <= 1
    steps = quat.angle(clip.rotations[1:], clip.rotations[:-1])
    assert np.degrees(steps.max()) < 25  # no joint jumps from one frame to the next
    _, positions = clip.world()
    hand = positions[:, clip.skeleton.joint("leftHand")]
    head = positions[:, clip.skeleton.joint("head")]
    assert (hand[:, 1] - head[:, 1]).max() > -0.25  # lifted beside the face
    assert hand[0, 1] < 1.1  # hanging at first
    talking = clip.expressions[:, expression("jawOpen")]
    assert ((talking[1:-1] > talking[:-2]) & (talking[1:-1] > talking[2:])).sum() >= 5  # syllables
    assert clip.expressions[:, expression("eyeBlinkLeft")].max() > 0.95


def test_the_performance_does_not_depend_on_the_frame_rate():
    slow, fast = close_up(fps=15), close_up(fps=60)
    assert quat.angle(slow.rotations, fast.rotations[::4]).max() < 1e-3
    np.testing.assert_allclose(slow.expressions, fast.expressions[::4], atol=1e-6)


def test_the_truth_says_where_each_joint_is_in_the_picture(tmp_path, bead_avatar):
    clip = close_up(fps=30)[60:64]
    path = film_with_truth(clip, bead_avatar, tmp_path / "truth.mp4")
    shown = pictures(path)
    assert len(shown) == 4
    with np.load(path.with_suffix(".npz")) as truth:
        names = list(truth["joint_names"])
        pixels = truth["joint_pixels"]
        assert truth["rotations"].shape == (4, 55, 4)
        np.testing.assert_array_equal(truth["expressions"], clip.expressions)
    for joint in ("leftUpperArm", "rightUpperArm", "leftHand", "neck"):
        column, row = np.round(pixels[0, names.index(joint)]).astype(int)
        bead = shown[0][row - 1 : row + 2, column - 1 : column + 2].mean((0, 1))
        assert bead[0] > bead[1] + 40, joint  # a red bead, not the grey backdrop
