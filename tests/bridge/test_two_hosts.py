"""Two hosts and the link between them: delay, loss, and a cut. Needs Linux and its root."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHER = """
import sys, time
from twinsdk.bridge import AvatarDescriptor, Publisher
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.core.clock import now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
skeleton = humanoid_skeleton()
keys = make_server_keys(sys.argv[1])
print(pair("headset", endpoint=sys.argv[2], folder=sys.argv[1]), flush=True)
avatar = AvatarDescriptor(skeleton=skeleton, humanoid={name: name for name in skeleton.names})
with Publisher(sys.argv[2], avatar=avatar, keys=keys) as publisher:
    sequence = 0
    while True:
        sequence += 1
        publisher.send(
            TwinFrame(
                avatar_id=0, sequence=sequence, timestamp_ns=now_ns(), pose=rest_pose(skeleton)
            )
        )
        time.sleep(1 / 60)
"""
SUBSCRIBER = """
import json, sys, time
from twinsdk.bridge import Subscriber
from twinsdk.core.clock import now_ns
with Subscriber(sys.argv[1]) as subscriber:
    if subscriber.recv(20) is None:
        sys.exit("no frame came")
    print("ready", flush=True)
    end, seen = time.monotonic() + float(sys.argv[2]), []
    while time.monotonic() < end:
        frame = subscriber.recv(0.1)
        if frame is not None:
            seen.append((now_ns(), frame.timestamp_ns, frame.sequence))
    clock = subscriber.stats.clock
    print(json.dumps([seen, clock.offset_ns, clock.uncertainty_ns]), flush=True)
"""


def sudo_less(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)


class Link:
    """Two network namespaces with a cable between them."""

    def __init__(self) -> None:
        self.ends = [(f"tw{side}{os.getpid()}", f"tw{side}{os.getpid() % 10**6}") for side in "ab"]
        self.address = "10.203.77.1"

    def tried(self, *words: str) -> None:
        done = sudo_less(*words)
        if done.returncode:
            pytest.skip(f"needs {' '.join(words[:3])}: {done.stderr.strip()[:120]}")

    def open(self) -> None:
        for host, _ in self.ends:
            self.tried("ip", "netns", "add", host)
        (near, a), (far, b) = self.ends
        self.tried(
            *("ip", "link", "add", a, "netns", near, "type", "veth"),
            *("peer", "name", b, "netns", far),
        )
        for i, (host, port) in enumerate(self.ends):
            self.tried("ip", "-n", host, "addr", "add", f"10.203.77.{i + 1}/24", "dev", port)
            self.tried("ip", "-n", host, "link", "set", port, "up")
            self.tried("ip", "-n", host, "link", "set", "lo", "up")

    def shape(self, *netem: str) -> None:
        for host, port in self.ends:
            self.tried(
                *("ip", "netns", "exec", host, "tc", "qdisc", "replace", "dev", port),
                *("root", "netem", *netem),
            )

    def plugged(self, *, is_in: bool) -> None:
        host, port = self.ends[0]
        self.tried("ip", "-n", host, "link", "set", port, "up" if is_in else "down")

    def run(self, side: int, script: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.ends[side][0], sys.executable, "-c", script, *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT if "TWINSDK_TEST_INSTALLED" not in os.environ else None,
        )

    def close(self) -> None:
        for host, _ in self.ends:
            sudo_less("ip", "netns", "del", host)


@pytest.fixture
def link():
    if not sys.platform.startswith("linux") or not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("needs Linux with ip and tc (Debian: iproute2)")
    link = Link()
    try:
        link.open()
        yield link
    finally:
        link.close()


@pytest.fixture
def publisher(link, tmp_path):
    child = link.run(0, PUBLISHER, str(tmp_path), f"tcp://{link.address}:5560")
    try:
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def heard(link, token, seconds, meanwhile=lambda: None):
    child = link.run(1, SUBSCRIBER, token, str(seconds))
    try:
        assert child.stdout.readline() == "ready\n"
        meanwhile()
        seen, offset, uncertainty = json.loads(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    for before, after in itertools.pairwise(seen):
        assert after[2] > before[2]
    return seen, offset, uncertainty


def test_delay_is_added_once_and_the_clocks_still_agree(link, publisher):
    link.shape("delay", "25ms")
    seen, offset, uncertainty = heard(link, publisher, 4)
    ages = sorted(read - captured for read, captured, _ in seen)
    assert len(seen) > 60
    # 25 ms on the way, and what a busy machine adds; a queue would add intervals of 16.7 ms.
    assert 25e6 <= ages[len(ages) // 2] < 60e6
    # Both ends read one clock.
    assert abs(offset) <= uncertainty
    assert 24e6 < uncertainty < 100e6


def test_loss_makes_frames_fewer_and_never_lets_them_age(link, publisher):
    link.shape("delay", "5ms", "loss", "3%")
    seen, _, _ = heard(link, publisher, 6)
    ages = sorted(read - captured for read, captured, _ in seen)
    assert len(seen) > 90
    assert ages[len(ages) // 2] < 100e6
    # TCP sends a lost segment again after 0.2 s or more; nothing may pile up behind it.
    assert ages[int(0.95 * len(ages))] < 1e9


def test_a_cut_link_heals_by_itself_and_no_backlog_is_shown(link, publisher):
    cut = []

    def pull_the_cable():
        time.sleep(1)
        link.plugged(is_in=False)
        time.sleep(3)
        link.plugged(is_in=True)
        cut.append(time.monotonic_ns())

    seen, _, _ = heard(link, publisher, 14, pull_the_cable)
    after = [(read, read - captured) for read, captured, _ in seen if read > cut[0]]
    assert after, "nothing came after the link was whole again"
    assert (after[0][0] - cut[0]) / 1e9 < 8
    # What the kernel held when the cable was pulled, a few small messages, and then fresh ones.
    assert sum(age > 1e9 for _, age in after) <= 3
    assert len(after) > 60
