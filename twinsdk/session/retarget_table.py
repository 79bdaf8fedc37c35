"""Tables of the retargeting evaluation, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["markdown"]


def markdown(result: dict[str, Any]) -> str:
    """Return the tables of what `evaluate_retargeting` measured."""
    parts = [
        "One body under two skeletons: the right answer is known, so 0 is right.\n\n"
        + table(
            ("skeletons", "limbs, mean degrees", "worst", "joints, % of height"),
            [
                (name, *_error(row))
                for key in ("same_body", "rigs_of_one_mesh")
                for name, row in result.get(key, {}).items()
            ],
        ),
        "There and back, worst joint: "
        + ", ".join(f"{name} {deg:.4f}°" for name, deg in result["cycle_worst_deg"].items())
        + ".",
        "Speed of feet that stand, cm/s, on other legs.\n\n"
        + table(
            ("legs", "source", "twinsdk", "not planted"),
            [
                (name, *(number(row[k]) for k in ("source", "twinsdk", "not planted")))
                for name, row in result["foot_speed_cm_s"].items()
            ],
        ),
        "One motion through each kind of file, worst limb after retargeting: "
        + ", ".join(f"{row['suffix']} {row['limb_worst_deg']:.4f}°" for row in result["formats"])
        + ".",
        _maps(result["maps"]),
    ]
    if "shapes" in result:
        parts.append(_shapes(result["shapes"]))
    if "left_out" in result:
        parts.append(f"Left out: {result['left_out']}")
    parts.append(_speed(result["speed"]))
    if "files" in result:
        parts.append(_files(result["files"]))
    if result.get("same_take"):
        rows = [
            (row["take"], " ".join(row["formats"]), f"{row['mean_deg']:.2f}",
             f"{row['worst_deg']:.1f}")
            for row in result["same_take"]
        ]  # fmt: skip
        head = ("take", "formats", "limbs apart, mean degrees", "worst")
        parts.append("One take in two formats.\n\n" + table(head, rows))
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float | None) -> str:
    """Return a number for people; "-" where there is none."""
    return "-" if value is None else f"{value:.2f}"


def _error(row: dict[str, float]) -> tuple[str, str, str]:
    return (
        f"{row['limb_mean_deg']:.2f}",
        f"{row['limb_worst_deg']:.2f}",
        f"{100 * row['joint_share']:.2f}",
    )


def _maps(maps: dict[str, dict[str, int]]) -> str:
    rows = [
        (kind, f"{row['right']} of {row['total']}", f"{100 * row['right'] / row['total']:.1f} %")
        for kind, row in maps.items()
    ]
    right, total = (sum(row[key] for row in maps.values()) for key in ("right", "total"))
    rows.append(("together", f"{right} of {total}", f"{100 * right / total:.1f} %"))
    return "Core roles found on random skeletons.\n\n" + table(("skeletons", "right", ""), rows)


def _shapes(shapes: dict[str, dict[str, Any]]) -> str:
    rows = [
        (
            name,
            f"{row['limb_error_mean_deg']:.2f} ({row['limb_error_max_deg']:.1f})",
            f"{number(_cm(row['slide_m_s']))} ({number(_cm(row['source_slide_m_s']))})",
            number(row["jerk_ratio"]),
            f"{_percent(row['arms_kept_out'])} ({_percent(row['arms_left_in'])})",
        )
        for name, row in shapes.items()
    ]
    head = (
        "avatar",
        "limbs, mean degrees (worst)",
        "standing feet, cm/s (source)",
        "jerk over the source's",
        "arms in the trunk, % of frames (not kept out)",
    )
    return "A walk, and hands near the body, on generated avatars.\n\n" + table(head, rows)


def _speed(speed: dict[str, Any]) -> str:
    rows = [
        *(
            (f"{name}, frames/s", *(f"{value:,.0f}" for value in rates))
            for name, rates in speed["retarget_frames_s"].items()
        ),
        ("BVH of 31 joints read, frames/s", *(f"{v:,.0f}" for v in speed["bvh_frames_s"])),
        ("GLB of 76 clips read, s", *(f"{v:.2f}" for v in speed["glb_76_clips_s"])),
    ]
    text = "One core, processor time.\n\n" + table(("", "best", "median"), rows)
    steps = ", ".join(f"{k} {m:.0f} (p99 {p:.0f})" for k, (m, p) in speed["step_us"].items())
    return f"{text}\n\nMicroseconds of a live frame, median: {steps}."


def _files(files: list[dict[str, Any]]) -> str:
    rows = []
    for row in files:
        if "error" in row:
            rows.append((row["file"], "-", "-", "-", "-", "-", row["error"].split(": /")[0]))
            continue
        rows.append(
            (
                row["file"],
                str(row["frames"]),
                f"{row['roles']} ({row['least_sure']:.2f})",
                f"{row['limb_error_mean_deg']:.2f} ({row['limb_error_max_deg']:.1f})",
                f"{number(_cm(row['slide_m_s']))} ({number(_cm(row['source_slide_m_s']))})",
                _percent(row["arms_in_trunk"]),
                f"jerk x{row['jerk_ratio']:.2f}",
            )
        )
    head = (
        "file",
        "frames",
        "roles (least sure)",
        "limbs, mean degrees (worst)",
        "standing feet, cm/s (source)",
        "arms in trunk, %",
        "",
    )
    return "Files, on the default avatar.\n\n" + table(head, rows)


def _cm(metres: float | None) -> float | None:
    return None if metres is None else 100 * metres


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
