"""The main job on real input, with no camera: a clip of a person becomes a streamed, filmed twin.

`make demo` runs it. It leaves out/: demo.mp4 and demo.png (input beside twin), demo.vrm (the twin),
demo.bvh and demo.vrma (its motion), report.json (what was measured).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ENDPOINT = "tcp://127.0.0.1:5570"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--sample", choices=["sample", "self"], default="sample")
    parser.add_argument("--max-frames", type=int, default=None)
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    twinsdk("models", "--fetch")
    twinsdk("avatar", "new", "-o", str(out / "demo.vrm"))
    received = out / "received.json"
    ready = out / ".ready"
    received.unlink(missing_ok=True)
    ready.unlink(missing_ok=True)
    receive = Path(__file__).with_name("receive.py")
    subscriber = subprocess.Popen(
        [
            sys.executable,
            "-P",
            str(receive),
            ENDPOINT,
            "--json",
            str(received),
            "--ready",
            str(ready),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(ready, subscriber)
        limit = ["--max-frames", str(args.max_frames)] if args.max_frames else []
        twinsdk(
            *["capture", "--sample", args.sample, "--stream", ENDPOINT, *limit],
            *["--record", str(out / "demo.bvh"), "--record", str(out / "demo.vrma")],
            *["--render", str(out / "demo.mp4"), "--sheet", str(out / "demo.png")],
            *["--report", str(out / "report.json")],
        )
        subscriber.wait(timeout=60)
    finally:
        subscriber.kill()
        subscriber.wait()
        ready.unlink(missing_ok=True)

    report = json.loads((out / "report.json").read_text())
    report["subscriber"] = json.loads(received.read_text())
    received.unlink()
    report["seconds"] = round(time.monotonic() - started, 1)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print_summary(report, out)
    return 0 if report["subscriber"]["received"] else 1


def twinsdk(*arguments: str) -> None:
    """Run one command of ours as its user would; stop the demo when it fails."""
    done = subprocess.run([sys.executable, "-P", "-m", "twinsdk", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("demo: the subscriber did not start")
        time.sleep(0.05)


def print_summary(report: dict, out: Path) -> None:
    there = report["subscriber"]
    print()
    print(
        f"frames       {report['frames']} in, {report['streamed']} streamed, {report['lost']} lost"
    )
    print(f"person       found in {report['frames_with_a_person']} of {report['frames']} frames")
    print(f"rate         {report['fps']:.1f} frames a second, film not counted")
    for stage in ("track", "fit", "retarget", "stream", "ours"):
        stats = report["stages_ms"].get(stage)
        if stats:
            print(f"{stage:<13}{stats['p50_ms']:.2f} ms median, {stats['p99_ms']:.2f} ms p99")
    print(
        f"subscriber   {there['received']} received and decoded in another process, "
        f"{there['lost']} lost, avatar {there['avatar_hash']}"
    )
    print(
        f"latency      capture to receive {there['capture_to_receive_ms_p50']:.1f} ms median, "
        f"{there['capture_to_receive_ms_p99']:.1f} ms p99"
    )
    print(f"time         {report['seconds']:.0f} s in all")
    for file in [*sorted(out.glob("demo.*")), out / "report.json"]:
        print(f"{'file':<13}{file}  {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
