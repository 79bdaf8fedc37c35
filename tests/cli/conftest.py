"""Commands run in this process, with their exit code and words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twinsdk import cli
from twinsdk.formats import save_avatar


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def line(self):
        """The one line of stderr; fails when there are more or a traceback."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def twinsdk(capsys):
    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def beads(tmp_path_factory, bead_avatar):
    """A small avatar file, so that commands under test need not generate one."""
    path = tmp_path_factory.mktemp("avatar") / "beads.npz"
    save_avatar(bead_avatar, path)
    return path
