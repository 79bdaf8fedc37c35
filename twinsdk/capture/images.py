"""Pictures as a source: a folder of them in natural order, or a single one."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from twinsdk.capture.opencv import check_size, fit_inside, quiet_opencv, rgb_from_bgr
from twinsdk.capture.source import BaseSource
from twinsdk.core.files import existing_file
from twinsdk.core.image import Image
from twinsdk.errors import FileMissingError, FormatError

__all__ = ["PICTURE_SUFFIXES", "PictureSource", "natural_key"]

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

_DEFAULT_FPS = 30.0


class PictureSource(BaseSource):
    """A folder of pictures taken at a constant rate, or one picture.

    Hidden files, other kinds of file and folders inside are passed over. All pictures must have
    one size, after the rotation in their metadata: a camera does not change it midway, and the
    fit reads distance from the size of the person in the frame.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        max_frames: int | None = None,
    ) -> None:
        """List the pictures and check their headers.

        Args:
            path: A folder, or one picture.
            width: Pictures are scaled down to fit; None keeps the size.
            height: As `width`.
            fps: Pictures a second, for their times; 30 when None.
            max_frames: End after so many.

        Raises:
            FileMissingError: Nothing is there.
            FormatError: The folder holds no picture, one cannot be read, or sizes differ.
        """
        super().__init__(name=Path(path).name or str(path), max_frames=max_frames)
        self._files = _pictures(Path(path))
        self._box = (width, height)
        self.fps = fps or _DEFAULT_FPS
        self.frame_count = len(self._files)
        self._at = 0
        first = _header_size(self._files[0])
        for file in self._files[1:]:
            self._compare(_header_size(file), first, file)
        self._whole_px: tuple[int, int] | None = None
        self._waiting: Image | None = self._decode(0)
        self.size_px = self._waiting.size_px

    def _next(self, timeout_s: float) -> Image | None:  # noqa: ARG002  # a file never waits
        if self._at >= len(self._files):
            self._ended = True
            return None
        index, self._at = self._at, self._at + 1
        image, self._waiting = self._waiting, None
        return image or self._decode(index)

    def _decode(self, index: int) -> Image:
        file = self._files[index]
        try:
            data = np.fromfile(file, np.uint8)  # cv2.imread cannot open every path on Windows
        except OSError as error:
            raise FileMissingError(
                f"images: a picture that was listed cannot be read any more "
                f"({error.strerror}): {file}"
            ) from error
        with quiet_opencv():
            # COLOR makes grey, 16-bit and transparent pictures 8-bit BGR and applies the EXIF
            # rotation.
            frame = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if frame is None:
            raise FormatError(f"images: expected a picture, its data is damaged: {file}")
        size = (int(frame.shape[1]), int(frame.shape[0]))
        self._whole_px = self._whole_px or size
        self._compare(size, self._whole_px, file, turned=False)
        pixels = fit_inside(rgb_from_bgr(frame), *self._box)
        return Image(pixels=pixels, timestamp_ns=round(index * 1e9 / self.fps), index=index)

    def _compare(
        self, size: tuple[int, int], first: tuple[int, int], file: Path, *, turned: bool = True
    ) -> None:
        """Refuse another size than the first; headers do not tell yet which way is up."""
        if size != first and not (turned and size == first[::-1]):
            raise FormatError(
                f"images: expected {first[0]}x{first[1]} px as {self._files[0].name} has, "
                f"got {size[0]}x{size[1]} px; one folder holds one size: {file}"
            )

    def _release(self) -> None:
        self._at = len(self._files)


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts "frame10" after "frame9"."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    # (0, number) sorts before (1, text), so the two are never compared with each other.
    return tuple((0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts)


def _pictures(path: Path) -> list[Path]:
    if not path.is_dir():
        return [existing_file(path, what="images")]
    try:
        inside = [
            file
            for file in path.iterdir()
            if file.suffix.lower() in PICTURE_SUFFIXES
            and not file.name.startswith(".")
            and file.is_file()
        ]
    except OSError as error:
        raise FileMissingError(
            f"images: cannot list the folder ({error.strerror}): {path}"
        ) from error
    if not inside:
        kinds = " ".join(sorted(PICTURE_SUFFIXES))
        raise FormatError(f"images: expected pictures ({kinds}) in the folder, got none: {path}")
    return sorted(inside, key=lambda file: (natural_key(file.name), file.name))


def _header_size(file: Path) -> tuple[int, int]:
    """Return (width, height) as stored, without decoding the picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(file) as picture:
                width, height = picture.size
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise FormatError(f"images: far too large to be meant ({error}): {file}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise FormatError(
            f"images: expected a picture, its header cannot be read: {file}"
        ) from error
    check_size("images", width, height, file)
    return width, height
