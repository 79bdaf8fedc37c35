"""What a headset sends back: its own pose, its hands', their buttons; and what shakes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.errors import WireError

__all__ = ["Device", "DeviceKind", "DevicePoses", "Haptic"]

_MAX_DEVICES, _MAX_BUTTONS = 16, 64


class DeviceKind(IntEnum):
    """Which device; the numbers are the wire's."""

    HEAD = 0
    LEFT_HAND = 1
    RIGHT_HAND = 2


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device at one instant.

    Attributes:
        kind: Which.
        position: Metres, glTF axes, in the client's own space: the floor where it started.
        rotation: xyzw, unit; of WebXR's grip space for hands.
        buttons: Each in [0, 1], in the order of the WebXR gamepad.
    """

    kind: DeviceKind
    position: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
    buttons: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DevicePoses:
    """A client's devices, the newest wins; the time is the client's clock."""

    t_ns: int
    devices: tuple[Device, ...]


@dataclass(frozen=True, kw_only=True)
class Haptic:
    """Shake a device for a while; amplitude in [0, 1]."""

    kind: DeviceKind
    amplitude: float
    duration_s: float


def write_devices(builder: Any, message: DevicePoses) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    items = []
    for device in message.devices:
        buttons = builder.CreateNumpyVector(np.array(device.buttons, "<f4"))
        fb.DeviceStart(builder)
        fb.DeviceAddKind(builder, int(device.kind))
        fb.DeviceAddPosition(builder, fb.CreateVec3(builder, *device.position))
        fb.DeviceAddRotation(builder, fb.CreateQuat(builder, *device.rotation))
        fb.DeviceAddButtons(builder, buttons)
        items.append(int(fb.DeviceEnd(builder)))
    fb.DevicePosesStartDevicesVector(builder, len(items))
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    devices = builder.EndVector()
    fb.DevicePosesStart(builder)
    fb.DevicePosesAddTNs(builder, message.t_ns)
    fb.DevicePosesAddDevices(builder, devices)
    return int(fb.DevicePosesEnd(builder))


def read_devices(table: Any) -> DevicePoses:
    """Return the message in a table.

    Raises:
        WireError: It holds too much, NaN, or a rotation that is not unit.
    """
    count = table.DevicesLength()
    if count > _MAX_DEVICES:
        raise WireError(f"devices: expected at most {_MAX_DEVICES}, got {count}")
    devices = []
    for i in range(count):
        device = table.Devices(i)
        place, turn = device.Position(), device.Rotation()
        position = (place.X(), place.Y(), place.Z())
        rotation = (turn.X(), turn.Y(), turn.Z(), turn.W())
        if device.ButtonsLength() > _MAX_BUTTONS:
            raise WireError(f"devices: expected at most {_MAX_BUTTONS} buttons")
        buttons = tuple(float(device.Buttons(b)) for b in range(device.ButtonsLength()))
        length = math.sqrt(sum(x * x for x in rotation))
        if not (
            abs(length - 1) < 0.01
            and all(math.isfinite(x) for x in position)
            and all(0 <= x <= 1 for x in buttons)
        ):
            raise WireError("devices: expected finite places, unit rotations, buttons in [0, 1]")
        devices.append(
            Device(kind=_kind(device.Kind()), position=position, rotation=rotation, buttons=buttons)
        )
    return DevicePoses(t_ns=table.TNs(), devices=tuple(devices))


def write_haptic(builder: Any, message: Haptic) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    fb.HapticStart(builder)
    fb.HapticAddKind(builder, int(message.kind))
    fb.HapticAddAmplitude(builder, message.amplitude)
    fb.HapticAddDurationS(builder, message.duration_s)
    return int(fb.HapticEnd(builder))


def read_haptic(table: Any) -> Haptic:
    """Return the message in a table.

    Raises:
        WireError: A number is out of range.
    """
    amplitude, duration = table.Amplitude(), table.DurationS()
    if not (0 <= amplitude <= 1 and 0 <= duration <= 10):
        raise WireError("haptic: expected an amplitude in [0, 1] and at most 10 seconds")
    return Haptic(kind=_kind(table.Kind()), amplitude=amplitude, duration_s=duration)


def _kind(number: int) -> DeviceKind:
    try:
        return DeviceKind(number)
    except ValueError:
        raise WireError(f"devices: expected a kind from 0 to 2, got {number}") from None
