"""Keep a native library's chatter off stderr while letting what matters through."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_native"]

# abseil prefixes I (info) and W (warning) with month and day, MediaPipe from 1.2.3 on writes them
# out before the place in brackets; E (error) and F (fatal) pass.
_NOISE = re.compile(
    rb"^(?:[IW]\d{4} |INFO: |WARNING: \[|"
    rb"WARNING: All log messages before|WARNING: Logging before InitGoogle)"
)
_STDERR = 2


@contextmanager
def quiet_native() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then write on all but info and warnings.

    It acts on the whole process: what other threads say meanwhile comes a little later.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(_STDERR)
    except OSError:  # no stderr at all, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(saved, _STDERR)
            os.close(saved)
            held.seek(0)
            kept = b"".join(line for line in held if not _NOISE.match(line))
            if kept:
                os.write(_STDERR, kept)
