"""The tracker on a real picture, with the models a user gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from twinsdk.capture.mediapipe_tracker import MediaPipeTracker
from twinsdk.capture.models import ModelPaths
from twinsdk.capture.tracker import Tracker
from twinsdk.capture.tracker_config import TrackerConfig
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

PORTRAIT = Path(__file__).parents[1] / "golden" / "astronaut_face.png"
WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def tracker(tracker_models: ModelPaths) -> Iterator[MediaPipeTracker]:
    with MediaPipeTracker() as opened:
        yield opened


def frame(index: int, *, shift_px: int = 0, start_ns: int = 0) -> Image:
    """The portrait in a wide grey picture, moved to the right by `shift_px`."""
    portrait = np.array(Picture.open(PORTRAIT).convert("RGB"))
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    left, top = 120 + shift_px, 100
    pixels[top : top + 256, left : left + 256] = portrait
    return Image(pixels=pixels, timestamp_ns=start_ns + index * 33_000_000, index=index)


def run(tracker: MediaPipeTracker, count: int = 5, start_ns: int = 0) -> list[Observation]:
    observations = []
    for index in range(count):
        observations += tracker.track(frame(index, shift_px=6 * index, start_ns=start_ns))
    return observations


def test_a_face_is_found_where_it_is_and_followed(tracker: MediaPipeTracker) -> None:
    observations = run(tracker)
    assert len(observations) == 5
    for index, observation in enumerate(observations):
        assert observation.image_face is not None
        nose = observation.image_face.pixels()[1]
        # The nose's tip in the portrait, found by mediapipe 0.10.21: see the golden file.
        np.testing.assert_allclose(nose, [120 + 127 + 6 * index, 100 + 130], atol=4)
        assert np.ptp(observation.image_face.depth) > 0.02


def test_left_is_the_persons_left(tracker: MediaPipeTracker) -> None:
    (observation,) = tracker.track(frame(0))
    assert observation.body is not None
    assert observation.image_body is not None
    left, right = BODY_NAMES.index("leftShoulder"), BODY_NAMES.index("rightShoulder")
    # She faces the camera: her left is +X of ours and to the right of the picture.
    assert observation.body.positions[left, 0] > observation.body.positions[right, 0] + 0.2
    assert observation.image_body.uv[left, 0] > observation.image_body.uv[right, 0]
    nose = observation.body.positions[BODY_NAMES.index("nose")]
    assert nose[1] > observation.body.positions[left, 1]  # +Y is up
    assert nose[2] > observation.body.positions[[left, right], 2].mean()  # +Z is forward


def test_going_back_in_time_starts_afresh_with_the_same_result(tracker: MediaPipeTracker) -> None:
    run(tracker, 1, start_ns=10**10)
    first, second = run(tracker), run(tracker)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.body.positions, b.body.positions)
        np.testing.assert_array_equal(a.image_face.uv, b.image_face.uv)
        np.testing.assert_array_equal(a.expressions, b.expressions)


def test_workers_side_by_side_give_what_one_after_the_other_gives(
    tracker: MediaPipeTracker, tracker_models: ModelPaths
) -> None:
    with MediaPipeTracker(replace(TrackerConfig(), parallel=False)) as serial:
        for a, b in zip(run(tracker), run(serial), strict=True):
            np.testing.assert_array_equal(a.body.positions, b.body.positions)
            np.testing.assert_array_equal(a.image_face.uv, b.image_face.uv)


def test_a_frame_twice_at_one_instant_is_no_new_clip(tracker: MediaPipeTracker) -> None:
    run(tracker)
    assert tracker.track(frame(4, shift_px=24))
    assert tracker.track(frame(4, shift_px=24))


def test_an_empty_picture_shows_nobody(tracker: MediaPipeTracker) -> None:
    grey = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert tracker.track(Image(pixels=grey, timestamp_ns=-1, index=0)) == []


def test_a_picture_of_a_few_pixels_is_no_crash(tracker: MediaPipeTracker) -> None:
    for size in ((1, 1), (3, 500), (500, 2)):
        tiny = np.full((*size, 3), 90, np.uint8)
        assert tracker.track(Image(pixels=tiny, timestamp_ns=10, index=0)) == []


def test_every_stage_is_timed(tracker: MediaPipeTracker) -> None:
    run(tracker, 2)
    assert {"prepare", "pose", "face", "total"} <= set(tracker.timings)
    assert tracker.timings["total"] >= tracker.timings["pose"] > 0


def test_faces_are_held_between_the_frames_that_look_for_them(tracker_models: ModelPaths) -> None:
    with MediaPipeTracker(TrackerConfig(face_every=3, hands_every=0)) as sparse:
        observations = run(sparse, 5)
    faces = [observation.image_face.uv for observation in observations]
    changed = [not np.array_equal(a, b) for a, b in pairwise(faces)]
    assert changed == [True, False, False, True]
    assert all(observation.left_hand is None for observation in observations)


def test_a_closed_tracker_says_so(tracker_models: ModelPaths) -> None:
    closed = MediaPipeTracker()
    assert isinstance(closed, Tracker)
    closed.close()
    closed.close()
    with pytest.raises(UsageError, match="closed"):
        closed.track(frame(0))


def test_the_native_chatter_stays_off_stderr(
    tracker_models: ModelPaths, capfd: pytest.CaptureFixture[str]
) -> None:
    with MediaPipeTracker() as quiet:
        run(quiet, 3)
    assert capfd.readouterr().err == ""
