"""FollowedPerson: one person's body, hands and face from frame to frame, models side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from twinsdk.capture.face_expressions import ExpressionSolver
from twinsdk.capture.followers import Follower, Found
from twinsdk.capture.hands import SIDES, assign, settle, wrists_of
from twinsdk.capture.mediapipe_models import BodyModel, FaceModel, HandModel
from twinsdk.capture.models import ModelPaths
from twinsdk.capture.pace import Pace
from twinsdk.capture.regions import (
    Square,
    cut,
    face_region,
    fits_head,
    hand_region,
    on_image,
    shrunk,
    whole,
)
from twinsdk.capture.tracker_config import TrackerConfig
from twinsdk.core.arrays import F32, U8
from twinsdk.core.axes import gltf_from_mediapipe
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation

__all__ = ["FollowedPerson"]

T = TypeVar("T")
Body = tuple[Landmarks, ImageLandmarks]
_HAND_TILE_PX = 192  # what the palm detector takes
_FACE_TILE_PX = 256  # the face fills 0.6 of it; its model takes 192
_MISSED_FOR_GOOD = 3  # frames after which a hand is looked for less often
_SEARCH_EVERY = 5  # frames between searches of the whole picture for what is lost
_HAND_ONES = np.ones(len(HAND_NAMES), np.float32)


class FollowedPerson:
    """The models and what they know of the one person they follow.

    Attributes:
        timings: Milliseconds of the last frame's stages.
    """

    def __init__(
        self, config: TrackerConfig, paths: ModelPaths, pool: ThreadPoolExecutor | None
    ) -> None:
        sure = (config.min_detection, config.min_presence, config.min_tracking)
        self.timings: dict[str, float] = {}
        self._config = config
        self._pool = pool
        self._frame = 0
        self._pace = Pace()
        self._last_ms = -1
        self._body_model = BodyModel(paths, *sure)
        self._face_model = FaceModel(paths, *sure[:2])
        self._hand_models = {side: HandModel(paths, *sure) for side in SIDES}
        self._search_model = HandModel(paths, *sure, hands=2)
        self._face_follower = Follower(
            self._face_model, tile_px=_FACE_TILE_PX, margin=1.7, slack=0.06
        )
        self._hand_followers = {
            side: Follower(model, tile_px=_HAND_TILE_PX, margin=2.8)
            for side, model in self._hand_models.items()
        }
        self._window: Square | None = None
        self._body: Body | None = None
        self._hands: dict[str, Found | None] = dict.fromkeys(SIDES)
        self._image_face: ImageLandmarks | None = None
        self._expressions: F32 | None = None
        self._solver = ExpressionSolver()
        self._face_ns = 0
        self._spoken: set[str] = set()

    @property
    def warm(self) -> bool:
        """Whether every model has found something, and so has said all it says on stderr."""
        return len(self._spoken) == 3

    @property
    def neutral_face(self) -> F32 | None:
        """The person's face at rest (478, 3), None while it is not settled."""
        return self._solver.neutral if self._solver.settled else None

    def begin_with(self, neutral: F32) -> None:
        """Start from the neutral face of another session."""
        self._solver.begin_with(neutral)

    def calibrate(self) -> None:
        """Take the face of the next second for neutral; may be called from another thread."""
        self._solver.calibrate()

    def close(self) -> None:
        """Free the models."""
        self._body_model.close()
        self._face_model.close()
        self._search_model.close()
        for model in self._hand_models.values():
            model.close()

    def observe(self, image: Image, window: Square | None = None) -> Observation:
        """Return what is seen in the next frame.

        Args:
            image: The frame.
            window: Where to look for the body; None: everywhere.
        """
        start = time.perf_counter()
        self.timings = {}
        self._last_ms = max(round(image.timestamp_ns / 1e6), self._last_ms + 1)
        self._window = window
        small = self._timed("prepare", lambda: self._shrunk(image, window))
        if self._frame == 0:  # nothing is known yet: the body shows where to look
            self._body = self._find_body(small, image.size_px)
        before = self._body
        hands_due = _due(self._frame, self._config.hands_every * self._pace.every, 0)
        face_due = _due(self._frame, self._config.face_every * self._pace.every, 1)
        sides = self._sides_due() if hands_due else []
        search_due = self._lost(sides)  # before workers count what they miss
        hands = {side: self._start(partial(self._find_hand, side, image, before)) for side in sides}
        searched = self._start(lambda: self._search(small, image)) if search_due else None
        face = self._start(lambda: self._find_face(image, before)) if face_due else None
        if self._frame > 0:
            self._body = self._find_body(small, image.size_px)
        if face is not None:
            self._read_face(face(), image)
        if hands_due:
            found = {side: hands[side]() if side in hands else None for side in SIDES}
            self._settle_hands(found, searched() if searched else [], image.size_px)
        self._frame += 1
        observation = self._observation(image)
        self.timings["total"] = 1e3 * (time.perf_counter() - start)
        if self._config.adaptive:
            self._pace.add(self.timings["total"])
        return observation

    def _shrunk(self, image: Image, window: Square | None) -> U8:
        if window is None:
            return shrunk(image.pixels, self._config.long_side_px)
        return cut(image.pixels, window, min(self._config.long_side_px, round(window.side)))

    def _find_body(self, small: U8, size_px: tuple[int, int]) -> Body | None:
        found = self._timed("pose", lambda: self._body_model(small, self._last_ms))
        if found is None:
            return None
        self._spoken.add("body")
        uv, depth = self._placed(found.points, size_px)
        image_body = ImageLandmarks(
            names=BODY_NAMES,
            uv=uv,
            size_px=size_px,
            visibility=found.visibility,
            depth=depth,
        )
        world = gltf_from_mediapipe(found.world)
        return Landmarks(names=BODY_NAMES, positions=world, visibility=found.visibility), image_body

    def _find_hand(self, side: str, image: Image, body: Body | None) -> Found | None:
        expected = hand_region(*body, side) if body else None
        follower = self._hand_followers[side]
        return self._timed(
            f"{side} hand", lambda: follower.find(image.pixels, expected, self._last_ms)
        )

    def _find_face(self, image: Image, body: Body | None) -> Found | None:
        expected = face_region(*body) if body else None
        if expected is None and (body is None or self._frame % _SEARCH_EVERY == 0):
            expected = self._window or whole(image.size_px)
        found = self._timed(
            "face", lambda: self._face_follower.find(image.pixels, expected, self._last_ms)
        )
        if found is not None:
            self._spoken.add("face")
        return found

    def _read_face(self, found: Found | None, image: Image) -> None:
        if found is not None and self._body and not fits_head(found.uv, *self._body):
            self._face_follower.forget()
            found = None
        if found is None:
            self._image_face = self._expressions = None
            return
        face = ImageLandmarks(
            names=FACE_NAMES, uv=found.uv, size_px=image.size_px, depth=found.depth
        )
        self._image_face = face
        self._expressions = found.expressions
        if self._expressions is None:  # the bundle has no network of its own
            passed_s = (image.timestamp_ns - self._face_ns) / 1e9
            self._expressions = self._timed(
                "expressions", lambda: self._solver.solve(face, passed_s)
            )
        self._face_ns = image.timestamp_ns

    def _sides_due(self) -> list[str]:
        """Return the hands to look for: a missing one only in every other frame, in turns."""
        return [
            side
            for turn, side in enumerate(SIDES)
            if self._hand_followers[side].missed < _MISSED_FOR_GOOD or (self._frame + turn) % 2 == 0
        ]

    def _lost(self, sides: list[str]) -> bool:
        """Return whether one has been missing for so long that the whole picture is searched."""
        missed = max((self._hand_followers[side].missed for side in sides), default=0)
        return missed >= _SEARCH_EVERY and missed % _SEARCH_EVERY == 0

    def _search(self, small: U8, image: Image) -> list[Found]:
        hands = self._timed("hand search", lambda: self._search_model(small, self._last_ms))
        placed = [self._placed(hand.points, image.size_px) for hand in hands]
        return [
            replace(hand, uv=uv, depth=depth)
            for hand, (uv, depth) in zip(hands, placed, strict=True)
        ]

    def _placed(self, points: F32, size_px: tuple[int, int]) -> tuple[F32, F32]:
        """Return (uv, depth) on the whole picture of what was found in the window."""
        if self._window is None:
            return points[:, :2].copy(), points[:, 2].copy()
        return on_image(points, self._window, size_px)

    def _settle_hands(
        self, found: dict[str, Found | None], searched: list[Found], size_px: tuple[int, int]
    ) -> None:
        wrists = wrists_of(*(self._body or (None, None)))
        left, right = settle(found["left"], found["right"], wrists, size_px)
        left, right = assign(searched, left, right, wrists, size_px)
        self._hands = {"left": left, "right": right}
        for side, hand in self._hands.items():
            if hand is not None:
                self._spoken.add("hand")
            if hand is found[side]:
                continue
            if hand is None:
                self._hand_followers[side].forget()
            else:
                self._hand_followers[side].adopt(hand.uv, size_px)

    def _observation(self, image: Image) -> Observation:
        size_px = image.size_px
        left, right = (self._hands[side] for side in SIDES)
        body, image_body = self._body or (None, None)
        return Observation(
            timestamp_ns=image.timestamp_ns,
            body=body,
            image_body=image_body,
            left_hand=_hand(left),
            right_hand=_hand(right),
            image_left_hand=_image_hand(left, size_px),
            image_right_hand=_image_hand(right, size_px),
            image_face=self._image_face,
            expressions=self._expressions,
        )

    def _start(self, job: Callable[[], T]) -> Callable[[], T]:
        """Begin `job` beside this thread, or do it at once; return how to get its result."""
        if self._pool is not None:
            return self._pool.submit(job).result
        done = job()
        return lambda: done

    def _timed(self, stage: str, job: Callable[[], T]) -> T:
        start = time.perf_counter()
        done = job()
        self.timings[stage] = 1e3 * (time.perf_counter() - start)
        return done


def _due(frame: int, every: int, turn: int) -> bool:
    # The first frame looks at everything; later ones take turns, lest all fall on one frame.
    return every > 0 and (frame == 0 or frame % every == turn % every)


def _hand(hand: Found | None) -> Landmarks | None:
    if hand is None or hand.world is None:
        return None
    world = gltf_from_mediapipe(hand.world)
    return Landmarks(names=HAND_NAMES, positions=world, visibility=_HAND_ONES)


def _image_hand(hand: Found | None, size_px: tuple[int, int]) -> ImageLandmarks | None:
    if hand is None:
        return None
    return ImageLandmarks(names=HAND_NAMES, uv=hand.uv, size_px=size_px, depth=hand.depth)
