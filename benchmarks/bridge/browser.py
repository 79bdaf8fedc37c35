"""Age of frames in the page: capture stamp to decoded in headless Chromium, through the gateway.

    python benchmarks/bridge/browser.py [--seconds 20] [--rate 60] [--json FILE]

The page measures with its own clock comparison, and tells the publisher each second. Chromium draws
with a software renderer on the same processors here, which is where its slow frames come from; a
plain WebSocket client in Python beside it shows what the gateway itself takes. Needs node,
`npm ci` in clients/webxr, and Chromium (CHROMIUM names it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
from pathlib import Path

import aiohttp
import numpy as np
from latency import avatar, frame, restamped

from twinsdk.bridge import Publisher
from twinsdk.bridge.gateway import Gateway
from twinsdk.bridge.layout import read_layout
from twinsdk.core.clock import now_ns

PAGE = Path(__file__).parents[2] / "clients" / "webxr" / "test" / "page.mjs"


async def plain(url: str, ages: list[float]) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(url + "stream") as line:
        async for message in line:
            now = now_ns()
            if message.data[:3] == b"TWN":
                captured = read_layout(message.data).read_scalars(message.data)[3]
                ages.append((now - captured) / 1e6)


async def measure(seconds: float, rate: float) -> dict[str, float]:
    descriptor = avatar()
    base = frame(descriptor, 0)
    ages: list[float] = []
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor) as publisher:
        async with Gateway(publisher.endpoint, port=0) as gateway:
            with tempfile.TemporaryDirectory() as folder:
                page = await asyncio.create_subprocess_exec(
                    "node", str(PAGE), gateway.url, folder, f"measure={seconds:g}",
                    stdout=subprocess.PIPE,
                )  # fmt: skip
                beside = asyncio.create_task(plain(gateway.url, ages))
                told = asyncio.create_task(page.communicate())
                sequence, due = 0, asyncio.get_running_loop().time()
                while not told.done():
                    sequence += 1
                    publisher.send(restamped(base, sequence))
                    due += 1 / rate
                    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                beside.cancel()
                seen = json.loads((await told)[0])
    return {
        "page_p50_ms": seen["ageMs"],
        "page_p99_ms": seen["ageP99Ms"],
        "page_clock_uncertainty_ms": seen["uncertaintyMs"],
        "frames": seen["measured"],
        "plain_client_p50_ms": float(np.percentile(ages, 50)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    row = asyncio.run(measure(options.seconds, options.rate))
    print(json.dumps({key: round(value, 2) for key, value in row.items()}))
    if options.json:
        record = json.loads(options.json.read_text()) if options.json.exists() else {}
        record["browser"] = {"load": round(os.getloadavg()[0], 1), **row}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
