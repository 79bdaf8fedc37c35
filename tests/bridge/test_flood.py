"""A short run of the malformed flood that benchmarks/bridge/fuzz.py makes long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = (
    "publisher state (ROUTER)",
    "publisher pose (XPUB)",
    "receiver (SUB, DEALER)",
    "relay in (SUB, DEALER)",
    "gateway (WebSocket)",
    "VMC in (UDP)",
)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_of_malformed_messages_harms_nobody(kind, tmp_path):
    record = tmp_path / "fuzz.json"
    done = subprocess.run(
        [
            sys.executable, "-W", "error", str(ROOT / "benchmarks" / "bridge" / "fuzz.py"),
            "--messages", "4000", "--only", kind, "--json", str(record),
        ],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(record.read_text())["fuzz"][kind]
    assert row["sent"] == 4000
    # A quick sender is thrown out with its first, oversized message before XPUB reads another.
    assert row["counted"] > 0 or "XPUB" in kind
    received, sent = row["frames"]
    assert received > sent / 2
    assert row.get("late_joiner_served", True)
    early, end = row["resident_mb"]
    assert end - early < 20
