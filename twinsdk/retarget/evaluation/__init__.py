"""How good retargeting is, measured where the right answer is known."""

from __future__ import annotations

from twinsdk.retarget.evaluation.bodies import LIMBS, Body, canonical_bodies, canonical_body, rested
from twinsdk.retarget.evaluation.measures import (
    TransferError,
    clip_agreement,
    cycle_error_deg,
    foot_speeds,
    format_agreement,
    ours,
    transfer_error,
)
from twinsdk.retarget.evaluation.motions import near_the_body, random_clip, walk
from twinsdk.retarget.evaluation.variants import CORE_ROLES, KINDS, score_maps, variant

__all__ = [
    "CORE_ROLES",
    "KINDS",
    "LIMBS",
    "Body",
    "TransferError",
    "canonical_bodies",
    "canonical_body",
    "clip_agreement",
    "cycle_error_deg",
    "foot_speeds",
    "format_agreement",
    "near_the_body",
    "ours",
    "random_clip",
    "rested",
    "score_maps",
    "transfer_error",
    "variant",
    "walk",
]
