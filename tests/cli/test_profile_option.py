"""`twin-capture --profile`: kept at the end, taken up at the start, damaged ones said in a line."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from twinsdk.cli import capture_profile, doctor
from twinsdk.session.profile import Profile, profile_path


@pytest.fixture(autouse=True)
def _own_data(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINSDK_DATA", str(tmp_path / "data"))


@pytest.fixture
def arguments():
    return argparse.Namespace(profile="ada", person_height=None, quiet=True)


class Heard:
    """A session that met a number of people."""

    def __init__(self, met):
        self.met = met

    def learnt(self):
        return Profile(height_m=1.55)


def test_the_height_is_asked_for_once(arguments, monkeypatch):
    terminal = io.StringIO("172\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda _: terminal.readline())
    profile = capture_profile.profile_of(arguments)
    assert profile.height_m == pytest.approx(1.72)
    profile.save(profile_path("ada"))
    assert capture_profile.profile_of(arguments).height_m == pytest.approx(1.72)
    assert terminal.read() == ""


def test_a_height_that_is_given_counts_before_the_one_that_is_kept(arguments):
    Profile(height_m=1.60).save(profile_path("ada"))
    arguments.person_height = 181
    assert capture_profile.profile_of(arguments).height_m == pytest.approx(1.81)


def test_a_profile_is_kept_when_somebody_was_seen(arguments):
    capture_profile.save_profile(arguments, Heard(met=0))
    assert not profile_path("ada").exists()
    capture_profile.save_profile(arguments, Heard(met=1))
    assert json.loads(profile_path("ada").read_text())["height_cm"] == 155


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--profile", "../ada"), "profile: expected a name"),
        (("--profile", "new", "--person-height", "900"), "height: expected 30 to 300 cm, got 900"),
        (("--person-height", "1"), "height_m: expected 0.3 to 3 m"),
        (("--fill-fps", "900"), "fill_fps: expected 1 to 240, got 900"),
        (("--profile", "damaged"), "profile: damaged"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(twinsdk, beads, options, words):
    profile_path("damaged").write_text("{")
    outcome = twinsdk("capture", "--avatar", beads, "--sample", "--no-stream", "--quiet", *options)
    assert outcome.code == 2
    assert words in outcome.line


def test_doctor_lists_the_profiles():
    assert [found[0] for found in doctor._profiles()] == ["ok"]
    Profile(height_m=1.83).save(profile_path("ada"))
    profile_path("damaged").write_text("{")
    (good, said, _), (bad, damage, _) = doctor._profiles()
    assert (good, bad) == ("ok", "note")
    assert said.startswith("ada: 183 cm")
    assert damage.startswith("profile: damaged")
