"""Shape parameters to body: the vertices in the base's own rest pose, before height and T-pose."""

from __future__ import annotations

from itertools import product

import numpy as np

from twinsdk.avatar.base import Base
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.errors import AvatarError

__all__ = ["bone_ends", "fixed_weights", "height_slider", "macro_weights", "shape_body"]

# Years at which the base's ages stand; between two the shapes are mixed linearly.
_AGE_YEARS = (11.0, 25.0, 90.0)
_AGES = ("child", "young", "old")
_THIRDS = (0.0, 0.5, 1.0)
# The base's lips stand a little open, its mouth is stern and its lids hang: what rest is here.
_REST_FACE = {
    "jawOpen": -0.045,
    "mouthSmileLeft": 0.16,
    "mouthSmileRight": 0.16,
    "eyeWideLeft": 0.15,
    "eyeWideRight": 0.15,
}
# Face sliders that `seed` may move; each name covers its left and right forms together, so a face
# stays symmetric. The figure is the standard deviation at face_variety 1.
_VARIETY: dict[str, float] = {
    "cheek/cheek-bones": 0.35,
    "cheek/cheek-volume": 0.4,
    "chin/chin-height": 0.35,
    "chin/chin-prominent": 0.3,
    "chin/chin-width": 0.4,
    "chin/chin-jaw-drop": 0.3,
    "eyebrows/eyebrows-angle": 0.25,
    "eyes/eye-height2": 0.3,
    "eyes/eye-scale": 0.35,
    "eyes/eye-corner2": 0.35,
    "forehead/forehead-scale-vert": 0.3,
    "head/head-scale-horiz": 0.3,
    "mouth/mouth-lowerlip-volume": 0.4,
    "mouth/mouth-upperlip-volume": 0.4,
    "mouth/mouth-scale-horiz": 0.35,
    "nose/nose-hump": 0.35,
    "nose/nose-point": 0.35,
    "nose/nose-scale-depth": 0.3,
    "nose/nose-scale-horiz": 0.35,
    "nose/nose-scale-vert": 0.3,
    "nose/nose-volume": 0.3,
    "nose/nose-width2": 0.35,
}


def shape_body(base: Base, spec: AvatarSpec) -> F32:
    """Return all vertices (V, 3) of the spec's body in the rest pose of the base, metres.

    The base's own height slider is set so that the proportions fit the height that is asked for;
    `rig.bake_t_pose` scales what remains.

    Raises:
        AvatarError: `spec.local` names a slider that the base has not.
    """
    fixed = base.template.astype(np.float64)
    for name, weight in fixed_weights(base, spec).items():
        base.add_target(fixed, name, weight)
    short, tall = (fixed.copy(), fixed.copy())
    for vertices, slider in ((short, 0.0), (tall, 1.0)):
        for name, weight in macro_weights(spec, slider).items():
            if name in base.targets:  # some combinations are the template itself, without a file
                base.add_target(vertices, name, weight)
    slider = height_slider(spec.height_m, _stature(base, short), _stature(base, tall))
    return (short + slider * (tall - short)).astype(np.float32)  # the targets mix linearly


def height_slider(height_m: float, low_m: float, high_m: float) -> float:
    """Return the base's height slider for a stature, given those at its ends."""
    return float(np.clip((height_m - low_m) / (high_m - low_m), 0.1, 0.9))


def fixed_weights(base: Base, spec: AvatarSpec) -> dict[str, float]:
    """Return the weight of each target that no macro decides: rest face, variety, `spec.local`.

    Raises:
        AvatarError: `spec.local` names a slider that the base has not.
    """
    sliders = _variety(base, spec)
    for name, value in spec.local.items():
        if name not in base.locals_:
            near = [known for known in base.locals_ if known.split("/")[0] == name.split("/")[0]]
            raise AvatarError(
                f"local: no slider {name!r}; there are {near or sorted(base.locals_)}"
            )
        sliders[name] = sliders.get(name, 0.0) + value
    out = {f"face/{name}": weight for name, weight in _REST_FACE.items()}
    for name, value in sorted(sliders.items()):
        bounded = float(np.clip(value, -1, 1))
        out[base.locals_[name][int(bounded > 0)]] = abs(bounded)
    return out


def macro_weights(spec: AvatarSpec, height: float) -> dict[str, float]:
    """Return the weight of each macro target; `height` in [0, 1] is the base's slider.

    Source: the interpolation of anny (models/phenotype.py, Apache-2.0) and MakeHuman.
    """
    genders = {"male": spec.gender, "female": 1 - spec.gender}
    ages = _between(spec.age_years, _AGE_YEARS, _AGES)
    muscles = _between(spec.muscle, _THIRDS, ("minmuscle", "averagemuscle", "maxmuscle"))
    weights = _between(spec.weight, _THIRDS, ("minweight", "averageweight", "maxweight"))
    heights = {"minheight": 1 - height, "maxheight": height}
    ideal = {"idealproportions": spec.proportions, "uncommonproportions": 1 - spec.proportions}
    races = {"african": spec.african, "asian": spec.asian, "caucasian": spec.caucasian}
    out = {}
    for (g, gw), (a, aw) in product(genders.items(), ages.items()):
        for race, share in races.items():
            out[f"macro/{race}-{g}-{a}"] = gw * aw * share / sum(races.values())
        for (m, mw), (w, ww) in product(muscles.items(), weights.items()):
            body, share = f"{g}-{a}-{m}-{w}", gw * aw * mw * ww
            out[f"macro/universal-{body}"] = share
            for height_name, part in heights.items():
                out[f"macro/height/{body}-{height_name}"] = share * part
            for ideal_name, part in ideal.items():
                out[f"macro/proportions/{body}-{ideal_name}"] = share * part
    return {name: weight for name, weight in out.items() if weight > 0}


def bone_ends(base: Base, vertices: Array) -> tuple[F64, F64]:
    """Return heads and tails (B, 3) of the base's bones on a body's `vertices`."""
    heads = np.array([vertices[at].mean(0, dtype=np.float64) for at in base.heads])
    tails = np.array([vertices[at].mean(0, dtype=np.float64) for at in base.tails])
    return heads, tails


def _stature(base: Base, vertices: F64) -> float:
    body = vertices[np.unique(base.quads[base.group("body")]), 1]
    return float(body.max() - body.min())


def _between(value: float, anchors: tuple[float, ...], names: tuple[str, ...]) -> dict[str, float]:
    value = min(max(value, anchors[0]), anchors[-1])
    upper = max(1, int(np.searchsorted(anchors, value)))
    share = (value - anchors[upper - 1]) / (anchors[upper] - anchors[upper - 1])
    return {names[upper - 1]: 1 - share, names[upper]: share}


def _variety(base: Base, spec: AvatarSpec) -> dict[str, float]:
    rng = np.random.default_rng(spec.seed)
    draws = np.clip(rng.standard_normal(len(_VARIETY)), -1.8, 1.8)
    out = {}
    for draw, (stem, deviation) in zip(draws, _VARIETY.items(), strict=True):
        folder, _, slider = stem.partition("/")
        for known in base.locals_:
            ending = known.removeprefix(f"{folder}/").removeprefix("l-").removeprefix("r-")
            if known.startswith(f"{folder}/") and ending.rpartition("-")[0] == slider:
                out[known] = float(draw) * deviation * spec.face_variety
    return out
