"""Film of a run: the input with its landmarks beside the moving twin, and a sheet of its moments.

Rendering is slower than capturing, so it waits for the run's end: while the loop runs only what was
seen and solved is kept (about 15 kB a frame). A file is then read again; a camera's pictures are
kept in a temporary Motion-JPEG file meanwhile.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from twinsdk.capture import FrameSource
from twinsdk.core.arrays import U8
from twinsdk.core.avatar import Avatar
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.observation import Observation
from twinsdk.render import (
    Camera,
    Renderer,
    Springs,
    VideoWriter,
    contact_sheet,
    save_png,
    scaled,
    side_by_side,
)
from twinsdk.render.footage import FootageReader, FootageWriter
from twinsdk.render.overlay import draw_label, draw_observation
from twinsdk.session.live import Step
from twinsdk.session.timing import StageTimes
from twinsdk.skinning import Skinner

__all__ = ["Film", "TwinPainter", "TwinPanels"]

_HEIGHT_PX = 480
_SHEET_MOMENTS = 8
_SHEET_HEIGHT_PX = 320


@dataclass(frozen=True, kw_only=True)
class _Moment:
    index: int
    media_ns: int
    observations: tuple[Observation, ...]
    frames: tuple[TwinFrame, ...]


class TwinPainter:
    """Draws twin frames as people would see them in front of a fixed camera."""

    def __init__(self, avatar: Avatar, *, size_px: tuple[int, int], antialias: int = 2) -> None:
        self.times = StageTimes()
        self._avatar = avatar
        self._skinner = Skinner(avatar)
        self._springs = Springs(avatar)
        self._renderer = Renderer(avatar.mesh, *size_px, antialias=antialias)
        self._size_px = size_px

    def camera(self, frames: list[TwinFrame]) -> Camera:
        """Return a camera that holds the whole way of `frames`, legs only where they were seen."""
        skeleton, roles = self._avatar.skeleton, self._avatar.roles()
        knee = [skeleton.joint(roles[f"{side}LowerLeg"]) for side in ("left", "right")]
        confidence = np.mean([frame.joint_confidence for frame in frames], axis=0)
        whole = confidence[knee].max() > 0.35
        reach = np.concatenate(
            [frame.pose.world()[1] for frame in frames[:: max(1, len(frames) // 60)]]
        )
        reach = reach[np.isfinite(reach).all(-1)]
        low, high = np.percentile(reach, [0.5, 99.5], axis=0)
        if not whole:
            hips = skeleton.joint(roles["hips"])
            low[1] = np.median([frame.pose.world()[1][hips, 1] for frame in frames[::10]]) - 0.05
        corners = np.stack([low - np.array([0.12, 0.08, 0]), high + np.array([0.12, 0.16, 0])])
        return Camera.framing(corners, 1.04, aspect=self._size_px[0] / self._size_px[1])

    def dark(self) -> U8:
        """Return the panel of somebody who is not there."""
        return np.zeros((self._size_px[1], self._size_px[0], 3), np.uint8)

    def draw(self, frame: TwinFrame, camera: Camera, *, media_ns: int) -> U8:
        """Return the picture (H, W, 3) of one twin frame; hair and skirt swing from the last one.

        Args:
            frame: Who is shown.
            camera: From where.
            media_ns: The frame's time in the film, nanoseconds.
        """
        with self.times.measure("skin"):
            pose = self._springs.follow(frame.pose, media_ns)
            vertices, normals = self._skinner.vertices_and_normals(pose, frame.expressions)
        with self.times.measure("render"):
            return self._renderer.draw(vertices, normals, camera)


class TwinPanels:
    """One panel a person, side by side, each with a painter and a camera of their own.

    Args:
        avatar: Who is shown.
        size_px: Width and height of a panel.
        antialias: Rays across a pixel.
    """

    def __init__(self, avatar: Avatar, *, size_px: tuple[int, int], antialias: int = 2) -> None:
        self._new_painter = partial(TwinPainter, avatar, size_px=size_px, antialias=antialias)
        self._panels: dict[int, tuple[TwinPainter, Camera]] = {}

    def add(self, frames: list[TwinFrame]) -> None:
        """Add a panel for the person of `frames`, its camera holding the whole way of them."""
        painter = self._new_painter()
        self._panels[frames[0].avatar_id] = painter, painter.camera(frames)

    def draw(self, frames: Sequence[TwinFrame], *, media_ns: int) -> U8:
        """Return the panels as one picture; of a person who is not yet there a dark one."""
        newest = {frame.avatar_id: frame for frame in frames}
        for avatar_id in newest.keys() - self._panels.keys():
            self.add([newest[avatar_id]])
        pictures = [
            painter.draw(newest[avatar_id], camera, media_ns=media_ns)
            if avatar_id in newest
            else painter.dark()
            for avatar_id, (painter, camera) in sorted(self._panels.items())
        ]
        return np.concatenate(pictures, axis=1)


class Film(Closing):
    """Collects the steps of a run and films them afterwards.

    Args:
        video: .mp4 or .webm to write, or None.
        sheet: .png to write, or None.
        avatar: Who is shown.
        reopen: Opens the run's source anew, to read its pictures again; None for a live source,
            whose pictures are kept.
        mirror: Whether to mirror the picture, input and twin alike.
    """

    def __init__(
        self,
        video: str | Path | None,
        sheet: str | Path | None,
        *,
        avatar: Avatar,
        reopen: Callable[[], FrameSource] | None,
        mirror: bool = False,
    ) -> None:
        self._video = Path(video) if video else None
        self._sheet = Path(sheet) if sheet else None
        self._avatar = avatar
        self._reopen = reopen
        self._mirror = mirror
        self._moments: list[_Moment] = []
        self._stack = ExitStack()
        self._footage: FootageWriter | None = None
        self._footage_path: Path | None = None
        if reopen is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="twinsdk-")))
            self._footage_path = folder / "footage.avi"

    def close(self) -> None:
        """Remove the footage kept of a live source."""
        self._stack.close()

    def add(self, step: Step) -> None:
        """Keep one step of a picture; the picture only when the source cannot be read again."""
        if step.filled:
            return
        if self._footage_path is not None:
            if self._footage is None:
                self._footage = FootageWriter(self._footage_path, size_px=step.image.size_px)
                self._stack.enter_context(self._footage)
            self._footage.write(step.image.pixels)
        self._moments.append(
            _Moment(
                index=step.image.index,
                media_ns=step.media_ns,
                observations=step.observations,
                frames=step.frames,
            )
        )

    def write(self, *, progress: bool = True) -> None:
        """Render what was kept; interrupted, the film ends there and is whole.

        Raises:
            OutputError: A file cannot be written.
        """
        from tqdm import tqdm

        if not any(moment.frames for moment in self._moments):
            return
        name = (self._video or self._sheet or Path("film")).name
        quiet = None if progress else True  # None: a bar on a terminal only
        wanted = self._sheet_indices()
        chosen: list[U8] = []
        with ExitStack() as stack:
            bar = stack.enter_context(tqdm(desc=f"rendering {name}", unit=" frames", disable=quiet))
            stack.callback(self._save_sheet, chosen)
            writer: VideoWriter | None = None
            for moment, picture in self._painted(wanted):
                if self._video is not None:
                    size = (picture.shape[1], picture.shape[0])
                    writer = writer or stack.enter_context(
                        VideoWriter(self._video, self._fps(), size)
                    )
                    writer.write(picture)
                if moment.index in wanted:
                    chosen.append(picture)
                bar.update()

    def _painted(self, wanted: set[int]) -> Iterator[tuple[_Moment, U8]]:
        """Yield the finished pictures: all of them for a video, else only the wanted ones."""
        panels: TwinPanels | None = None
        for moment, pixels in self._pictures():
            panels = panels or self._panels(pixels)
            if self._video is not None or moment.index in wanted:
                yield moment, self._paint(moment, pixels, panels)

    def _panels(self, pixels: U8) -> TwinPanels:
        width = _even(pixels.shape[1] * _HEIGHT_PX / pixels.shape[0])
        panels = TwinPanels(self._avatar, size_px=(max(360, min(640, width)), _HEIGHT_PX))
        ways: dict[int, list[TwinFrame]] = {}
        for moment in self._moments:
            for frame in moment.frames:
                ways.setdefault(frame.avatar_id, []).append(frame)
        for way in ways.values():
            panels.add(way)
        return panels

    def _save_sheet(self, chosen: list[U8]) -> None:
        if self._sheet is not None and chosen:
            small = [scaled(picture, _SHEET_HEIGHT_PX) for picture in chosen]
            save_png(self._sheet, contact_sheet(small, columns=2))

    def _pictures(self) -> Iterator[tuple[_Moment, U8]]:
        if self._reopen is None:
            if self._footage is not None and self._footage_path is not None:
                self._footage.close()
                yield from zip(self._moments, FootageReader(self._footage_path), strict=False)
            return
        moments = {moment.index: moment for moment in self._moments}
        with self._reopen() as again:
            for image in again:
                if image.index in moments:
                    yield moments[image.index], image.pixels
                if image.index >= self._moments[-1].index:
                    break

    def _paint(self, moment: _Moment, pixels: U8, panels: TwinPanels) -> U8:
        left = pixels
        for observation in moment.observations:
            left = draw_observation(left, observation)
        right = panels.draw(moment.frames, media_ns=moment.media_ns)
        if self._mirror:
            left, right = left[:, ::-1], right[:, ::-1]
        both = np.ascontiguousarray(left), np.ascontiguousarray(right)
        picture = side_by_side(*both, height=_HEIGHT_PX)
        seconds = (moment.media_ns - self._moments[0].media_ns) / 1e9
        return draw_label(picture, f"{seconds:.1f} s  {_caption(moment)}")

    def _fps(self) -> float:
        stamps = np.array([moment.media_ns for moment in self._moments], np.float64)
        spacing = np.median(np.diff(stamps)) if len(stamps) > 1 else 1e9 / 30
        return float(np.clip(1e9 / max(spacing, 1e6), 1, 240))

    def _sheet_indices(self) -> set[int]:
        if self._sheet is None:
            return set()
        good = [
            moment.index
            for moment in self._moments
            if moment.frames
            and moment.frames[0].state in (TrackingState.TRACKING, TrackingState.PARTIAL)
        ] or [moment.index for moment in self._moments]
        places = np.linspace(0, len(good) - 1, _SHEET_MOMENTS + 2)[1:-1]
        return {good[round(place)] for place in places}


def _caption(moment: _Moment) -> str:
    if not moment.frames:
        return "nobody yet"
    frame = moment.frames[0]
    return f"{frame.state.value}  {frame.confidence:.0%}"


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)
