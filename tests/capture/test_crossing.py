"""Two rendered people who cross, followed by the models a user gets."""

from __future__ import annotations

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.avatar import AvatarSpec, Colors, generate_avatar
from twinsdk.capture import TrackerConfig, open_tracker
from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.image import Image

pytest.importorskip("open3d")

SIZE = (640, 480)
COUNT = 30
FPS = 10
NEAR_M = 0.35  # one walks this much nearer to the camera than the middle, the other farther


def striding(phase: float) -> tw.Pose:
    """The canonical skeleton, arms down, one foot before the other."""
    skeleton = humanoid_skeleton()
    rotations = skeleton.rest_rotations.copy()
    for side, sign in (("left", 1), ("right", -1)):
        swing = quat.from_axis_angle(np.array([1.0, 0, 0]), sign * 0.4 * np.sin(phase))
        lowered = quat.from_axis_angle(np.array([0, 0, 1.0]), -sign * 1.25)
        rotations[skeleton.joint(f"{side}UpperLeg")] = swing
        rotations[skeleton.joint(f"{side}UpperArm")] = lowered
    root = np.array(skeleton.rest_translations[0])
    return tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=root)


@pytest.fixture(scope="module")
def crossing(tracker_models):
    """Pictures of two people who walk past one another, and the columns they are at."""
    from twinsdk.render import Camera, Renderer

    green = AvatarSpec(gender=0.9, muscle=0.8, seed=14, colors=Colors(top="#2f6b4f"))
    people = [tw.load_avatar("default"), generate_avatar(green, progress=False)]
    skinners = [tw.Skinner(avatar) for avatar in people]
    camera = Camera(position=(0, 1.2, 5.0), target=(0, 1, 0), fov_deg=36)
    far = Renderer(people[1].mesh, *SIZE)
    papers = [
        Renderer(people[0].mesh, *SIZE, background=paper, shadows=False)
        for paper in ((0, 0, 0), (255, 255, 255))
    ]
    pictures, columns = [], []
    for frame in range(COUNT):
        x = 1.3 - 2.6 * frame / COUNT
        places = np.array([[x, 0, NEAR_M], [-x, 0, -NEAR_M]], np.float32)
        pose = striding(6 * frame / FPS)
        near, behind = (
            skinner.vertices(tw.retarget(pose, avatar)) + place
            for skinner, avatar, place in zip(skinners, people, places, strict=True)
        )
        over = [renderer.draw(near, camera=camera) for renderer in papers]
        in_front = (over[0] == over[1]).all(-1, keepdims=True)
        pixels = np.where(in_front, over[0], far.draw(behind, camera=camera))
        pictures.append(
            Image(pixels=pixels, timestamp_ns=frame * 1_000_000_000 // FPS, index=frame)
        )
        columns.append(camera.project(places + np.array([0, 1.2, 0]), SIZE)[:, 0])
    return pictures, np.array(columns)


@pytest.mark.slow
def test_two_people_keep_their_numbers_through_a_crossing(crossing):
    pictures, columns = crossing
    seen = np.zeros((COUNT, 2), bool)
    with open_tracker(config=TrackerConfig(people=2, follow="right")) as tracker:
        for frame, picture in enumerate(pictures):
            for observation in tracker.track(picture):
                assert observation.image_body is not None
                trunk = observation.image_body.pixels()[[11, 12, 23, 24]].mean(0)
                own, other = columns[frame][[observation.person, 1 - observation.person]]
                if abs(own - other) > 60:
                    assert abs(trunk[0] - own) < 40, frame
                seen[frame, observation.person] = True
    assert seen[:, 0].all()  # nothing hides the one in front
    apart = np.abs(columns[:, 0] - columns[:, 1]) > 120
    assert seen[apart, 1].mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("follow", "who"), [("nearest", 0), ("left", 1), ("0.2,0.5", 1)])
def test_one_of_two_is_chosen_and_held(crossing, follow, who):
    pictures, columns = crossing
    with open_tracker(config=TrackerConfig(follow=follow)) as tracker:
        for frame, picture in enumerate(pictures[:8]):
            (observation,) = tracker.track(picture)
            assert observation.person == 0
            nose = observation.image_body.pixels()[0]
            assert abs(nose[0] - columns[frame, who]) < 40


@pytest.mark.slow
def test_another_can_be_chosen_while_it_runs(crossing):
    pictures, columns = crossing
    with open_tracker(config=TrackerConfig(follow="left")) as tracker:
        tracker.track(pictures[0])
        tracker.follow((columns[1, 0] / SIZE[0], 0.5))
        (observation,) = tracker.track(pictures[1])
        assert abs(observation.image_body.pixels()[0, 0] - columns[1, 0]) < 40
