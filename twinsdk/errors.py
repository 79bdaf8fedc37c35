"""Every error twinsdk raises: one tree, each kind also the fitting builtin."""

from __future__ import annotations

__all__ = [
    "AvatarError",
    "DependencyError",
    "DeviceError",
    "DeviceLostError",
    "EndpointError",
    "ExpressionNameError",
    "FileMissingError",
    "FormatError",
    "JointNameError",
    "LandmarkError",
    "ModelMissingError",
    "NotHumanoidError",
    "OutputError",
    "ShapeError",
    "SkeletonMismatchError",
    "TwinError",
    "UsageError",
    "ValueRangeError",
    "WireError",
]


class TwinError(Exception):
    """Root of every error of ours; the command line prints it as one line and exits with 2."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument and OSError an errno; people get the words.
        return " ".join(str(part) for part in self.args)


class ShapeError(TwinError, ValueError):
    """An array has another shape, dtype or length than expected."""


class ValueRangeError(TwinError, ValueError):
    """A value is NaN, infinite or outside its range."""


class JointNameError(TwinError, KeyError):
    """A skeleton has no joint of that name."""


class ExpressionNameError(TwinError, KeyError):
    """There is no expression of that name."""


class SkeletonMismatchError(TwinError, ValueError):
    """A pose or clip belongs to another skeleton."""


class LandmarkError(TwinError, ValueError):
    """Landmarks are missing or cannot carry a pose."""


class NotHumanoidError(TwinError, ValueError):
    """A skeleton lacks joints that a humanoid needs."""


class AvatarError(TwinError, ValueError):
    """An avatar or its specification cannot be used."""


class FileMissingError(TwinError, FileNotFoundError):
    """A file or folder is not there."""


class FormatError(TwinError, ValueError):
    """A file is there but is not what its name or header says."""


class OutputError(TwinError, OSError):
    """An output cannot be written."""


class ModelMissingError(TwinError, FileNotFoundError):
    """A tracker model or sample is not here and could not be fetched."""


class DependencyError(TwinError, ImportError):
    """An optional package is needed and not installed."""


class DeviceError(TwinError, OSError):
    """A camera cannot be opened."""


class DeviceLostError(DeviceError):
    """A camera was open and stopped answering."""


class EndpointError(TwinError, OSError):
    """A network endpoint cannot be bound or reached."""


class WireError(TwinError, ValueError):
    """A message is malformed or of another major version."""


class UsageError(TwinError, ValueError):
    """Options contradict each other or make no sense."""
