"""`twinsdk evaluate`: what it refuses, in words."""

from __future__ import annotations

import pytest

from twinsdk.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--takes", "0"], "--takes of 1 or more"),
        (["--data", "nowhere"], "expected a folder, got nothing there: nowhere"),
        (["--data", "."], "expected .npz files"),
        (["--motion", "nowhere"], "expected a folder, got nothing there: nowhere"),
        (["--data", "x", "--motion", "y"], "--data or --motion"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "capture", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said


def test_a_folder_without_motion_is_refused(capsys, tmp_path):
    assert main(["evaluate", "capture", "--motion", str(tmp_path)]) == 2
    assert "motion files" in capsys.readouterr().err
