"""Motion of any humanoid skeleton onto any avatar."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from twinsdk.retarget.batch import FileReport, retarget_file, retarget_files, save_report
from twinsdk.retarget.figure import load_figure
from twinsdk.retarget.mapping import HumanoidMap, humanoid_map, load_map, save_map
from twinsdk.retarget.measure import ClipMeasures, measure
from twinsdk.retarget.retargeter import RetargetConfig, Retargeter, retarget

__all__ = [
    "ClipMeasures",
    "FileReport",
    "HumanoidMap",
    "RetargetConfig",
    "Retargeter",
    "humanoid_map",
    "load_figure",
    "load_map",
    "measure",
    "retarget",
    "retarget_file",
    "retarget_files",
    "save_map",
    "save_report",
]


class _Package(ModuleType):
    """Can be called: imported, this package takes the place of the function `tw.retarget`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return retarget(*args, **options)


sys.modules[__name__].__class__ = _Package
