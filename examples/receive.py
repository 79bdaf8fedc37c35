"""Receive a twin stream in another process, count what arrives, and stop when it ends.

python examples/receive.py tcp://127.0.0.1:5560
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import twinsdk as tw
from twinsdk.core.clock import now_ns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint", nargs="?", default="tcp://127.0.0.1:5560")
    parser.add_argument("--json", type=Path, help="write the counts there at the end")
    parser.add_argument("--ready", type=Path, help="touch this file once listening")
    parser.add_argument(
        "--silence", type=float, default=5.0, help="stop after so many quiet seconds"
    )
    parser.add_argument("--patience", type=float, default=120.0, help="wait so long for a start")
    args = parser.parse_args()

    ages_ms: list[float] = []
    states: dict[str, int] = {}
    with tw.Subscriber(args.endpoint) as subscriber:
        if args.ready:
            args.ready.touch()
        deadline = time.monotonic() + args.patience
        while time.monotonic() < deadline:
            frame = subscriber.recv(timeout_s=0.25)
            if frame is None:
                continue
            ages_ms.append((now_ns() - frame.timestamp_ns) / 1e6)
            states[frame.state.value] = states.get(frame.state.value, 0) + 1
            deadline = time.monotonic() + args.silence
        descriptor, stats = subscriber.descriptor, subscriber.stats

    p50, p99 = np.percentile(ages_ms, [50, 99]) if ages_ms else (0.0, 0.0)
    counts = {
        "received": len(ages_ms),
        "lost": stats.lost,
        "avatar_hash": f"{descriptor.hash:08x}" if descriptor else None,
        "joints": len(descriptor.skeleton) if descriptor else 0,
        "capture_to_receive_ms_p50": round(float(p50), 2),
        "capture_to_receive_ms_p99": round(float(p99), 2),
        "states": states,
    }
    print(json.dumps(counts))
    if args.json:
        args.json.write_text(json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main()
