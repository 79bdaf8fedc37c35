"""`twin-capture --profile`: a person's profile, taken up at the start and kept at the end."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from twinsdk.errors import UsageError

if TYPE_CHECKING:
    from twinsdk.session.live import Session
    from twinsdk.session.profile import Profile

__all__ = ["profile_of", "save_profile"]


def profile_of(args: argparse.Namespace) -> Profile | None:
    """Return the profile to start from; None where none was asked for.

    The height is asked for where it is not known and somebody sits at the terminal.

    Raises:
        UsageError: The name or the height is none.
        FormatError: The profile is damaged.
    """
    if args.profile is None:
        return None
    from twinsdk.session.profile import Profile, profile_path

    height_m = None if args.person_height is None else args.person_height / 100
    path = profile_path(args.profile)
    if path.exists():
        known = Profile.load(path)
        return known if height_m is None else replace(known, height_m=height_m)
    return Profile(height_m=_asked() if height_m is None else height_m)


def save_profile(args: argparse.Namespace, session: Session) -> None:
    """Keep what the session learnt, where a profile was asked for and somebody was seen.

    Raises:
        OutputError: It cannot be written.
    """
    if args.profile is None or not session.met:
        return
    from twinsdk.session.profile import profile_path

    path = profile_path(args.profile)
    session.learnt().save(path)
    if not args.quiet:
        print(f"profile: {path}", file=sys.stderr)


def _asked() -> float:
    """Return the height, metres, as the user tells it; 1.70 where there is nobody to ask."""
    if not sys.stdin.isatty():
        print("height taken as 170 cm; --person-height CM tells another", file=sys.stderr)
        return 1.70
    told = input("height of the person, shoes on, in cm [170]: ").strip() or "170"
    try:
        return float(told) / 100
    except ValueError:
        raise UsageError(f"height: expected centimetres, got {told!r}") from None
