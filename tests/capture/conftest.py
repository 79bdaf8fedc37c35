"""Fixtures of the capture tests: models as a user gets them, and a server on this machine."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from twinsdk.capture.models import ModelPaths, resolve_models
from twinsdk.errors import ModelMissingError


@pytest.fixture(scope="session")
def tracker_models() -> ModelPaths:
    """The bundles of the user's cache, fetched when they are not there yet."""
    try:
        return resolve_models(progress=False)
    except ModelMissingError as error:
        pytest.skip(f"no tracker models and no network: {error}")


@dataclass
class Folder:
    """A folder served over HTTP on the loopback, byte ranges included."""

    path: Path
    url: str = ""
    ranges: list[str] = field(default_factory=list)


@pytest.fixture
def http_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    folder = Folder(path=tmp_path_factory.mktemp("served"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = (folder.path / self.path.lstrip("/")).read_bytes()
            wanted = self.headers.get("Range")
            start = 0
            if wanted:
                folder.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").split("-")[0])
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:])

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    folder.url = f"http://127.0.0.1:{server.server_port}"
    yield folder
    server.shutdown()
    server.server_close()
    thread.join(5)
