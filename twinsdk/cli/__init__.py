"""The command line: arguments to configuration to session; no arithmetic.

Exit codes: 0 done, 2 the user's input is wrong, 1 our failure, 130 interrupted (outputs whole).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from twinsdk.errors import TwinError

__all__ = ["capture", "main", "program"]

_COMMANDS = (
    "capture",
    "retarget",
    "avatar",
    "generate",
    "view",
    "record",
    "replay",
    "relay",
    "keys",
    "evaluate",
    "train",
    "models",
    "doctor",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `twinsdk` with `argv` (default: the process's) and return its exit code."""
    return _guarded(program(), list(sys.argv[1:] if argv is None else argv))


def program() -> argparse.ArgumentParser:
    """Return the parser of `twinsdk` with all its commands."""
    parser = argparse.ArgumentParser(
        prog="twinsdk",
        description="One webcam in, a live digital twin out.",
        epilog="twinsdk COMMAND --help tells each command's options with examples.",
    )
    parser.add_argument("--version", action="version", version=_version())
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in _COMMANDS:
        module = import_module(f"twinsdk.cli.{name}")
        command = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def capture(argv: Sequence[str] | None = None) -> int:
    """Run `twin-capture`, which is `twinsdk capture`, and return its exit code."""
    module = import_module("twinsdk.cli.capture")
    parser = argparse.ArgumentParser(
        prog="twin-capture",
        description=module.SUMMARY,
        epilog=module.EXAMPLES.replace("twinsdk capture", "twin-capture"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return _guarded(parser, list(sys.argv[1:] if argv is None else argv))


def _guarded(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Parse and run; every failure becomes one line and an exit code."""
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse printed its own line, or --help
        return int(stop.code or 0)
    try:
        return int(args.run(args))
    except TwinError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` closed our output; that is no failure
        sys.stderr.close()
        return 0
    except Exception as error:  # the last line of defence: people never see a traceback
        report = Path(tempfile.gettempdir()) / "twinsdk-failure.txt"
        report.write_text(traceback.format_exc())
        print(
            f"{parser.prog}: our failure: {type(error).__name__}: {error}; details in {report}",
            file=sys.stderr,
        )
        return 1


def _version() -> str:
    import twinsdk

    return f"twinsdk {twinsdk.__version__}"
