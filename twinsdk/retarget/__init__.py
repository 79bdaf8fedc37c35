"""Motion of any humanoid skeleton onto any avatar."""

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
