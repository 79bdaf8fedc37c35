"""Gateway: a stream for browsers, and the page that shows it.

One WebSocket carries both planes: pose messages start with `TWN`, everything else is an Envelope.
Each client has one slot an avatar for the newest frame and one task that writes, never a queue, so
a slow headset gets fewer frames, not older ones.
"""

from __future__ import annotations

import asyncio
import hmac
import socket as os_socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from twinsdk.bridge.client_statistics import ClientStatistics
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.devices import DevicePoses
from twinsdk.bridge.endpoints import is_loopback
from twinsdk.bridge.keys import ClientKeys
from twinsdk.bridge.messages import (
    AvatarEntry,
    DescriptorRequest,
    Hello,
    Ping,
    Pong,
    Refusal,
    Welcome,
    pack,
    unpack,
)
from twinsdk.bridge.subscriber import AsyncSubscriber, SubscriberStats
from twinsdk.bridge.wire import VERSION
from twinsdk.core.files import existing_file
from twinsdk.errors import EndpointError, TwinError, WireError

__all__ = ["Gateway", "is_loopback"]

PAGE = Path(__file__).parent / "web"
_MAX_MESSAGE_BYTES = 1 << 16
_MAX_CLIENTS, _HEARTBEAT_S = 256, 3.0
_MAX_PER_SECOND = 400
_MAX_CONTROL = 512
_FETCH_NS = 60_000_000_000
_KERNEL_BUFFER_BYTES = 1 << 16
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self' blob: data: ws: wss:"
)


@dataclass(eq=False)
class _Client:
    """A browser: what it is to be sent next."""

    socket: web.WebSocketResponse
    name: str = ""
    poses: dict[int, bytes] = field(default_factory=dict)
    control: list[bytes] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    transport: asyncio.Transport | None = None
    devices: DevicePoses | None = None
    second: int = 0
    count: int = 0
    sent: int = 0

    def tell(self, data: bytes) -> None:
        """Queue a control message; a client that lets hundreds wait is gone and is cut off."""
        if len(self.control) < _MAX_CONTROL:
            self.control.append(data)
            self.wake.set()
        else:
            self.cut_off()

    def cut_off(self) -> None:
        """End the connection; a farewell would wait for ever for one who reads nothing."""
        if self.transport is not None:
            self.transport.abort()


class Gateway:
    """Serves the viewer page, the avatar's file and the stream; an asynchronous context manager.

    Args:
        endpoint: The publisher's pose endpoint, or a pairing token.
        host: Address to listen on; other than this machine's own it needs a `secret`.
        port: TCP port, 0 for any free one.
        avatar_file: The .vrm or .glb that the page shows for every twin.
        prepare: Turns the file that the stream gives away of a twin into the one that is shown, in
            a thread of its own; None takes no file from the stream. Without any the page shows
            the joints.
        secret: Text that the address of the page must carry as `?key=`.
        certificate: Files of a certificate and its key: then https, which WebXR needs on headsets.
        keys: This gateway's own, where they are not in a token.
        page: Folder of the page, for working on it.

    Raises:
        EndpointError: The address is malformed, taken, or open to others without a secret.
        FileMissingError: The avatar's file or the certificate is not there.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        avatar_file: str | Path | None = None,
        prepare: Callable[[Path], Path] | None = None,
        secret: str | None = None,
        certificate: tuple[str | Path, str | Path] | None = None,
        keys: ClientKeys | None = None,
        page: str | Path = PAGE,
    ) -> None:
        if not is_loopback(host) and not secret:
            raise EndpointError(
                "view: other machines could see this stream; give a secret, or stay on "
                f"127.0.0.1: {host}:{port}"
            )
        self._endpoint, self._keys = endpoint, keys
        self._host, self._port, self._secret = host, port, secret
        self._avatar = None if avatar_file is None else existing_file(avatar_file, what="avatar")
        self._prepare = prepare
        self._prepared: dict[Path, asyncio.Future[Path]] = {}
        self._page = Path(page)
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            files = [existing_file(part, what="certificate") for part in certificate]
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                self._tls.load_cert_chain(files[0], files[1])
            except ssl.SSLError as error:
                raise EndpointError(f"view: not a certificate and its key: {files[0]}") from error
        self._clients: set[_Client] = set()
        self._newest: dict[int, tuple[int, bytes]] = {}
        self._greeting: tuple[Any, ...] = ()
        self.malformed = 0
        """Messages of browsers dropped because they made no sense."""
        self.failure: TwinError | None = None
        """Why the stream ended, if it did."""

    async def __aenter__(self) -> Gateway:
        self._fetching = asyncio.Lock()
        self._subscriber = AsyncSubscriber(self._endpoint, keys=self._keys, name="twinsdk.Gateway")
        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/stream", self._stream)
        application.router.add_get("/avatar", self._serve_avatar)
        application.router.add_get("/", self._serve_page)
        application.router.add_get("/{name}", self._serve_page)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            self._subscriber.close()
            raise EndpointError(
                f"view: cannot listen there ({error.strerror}); choose another port: "
                f"{self._host}:{self._port}"
            ) from error
        self._port = self._runner.addresses[0][1]
        self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        for client in list(self._clients):
            await client.socket.close()
        await self._runner.cleanup()
        self._subscriber.close()

    @property
    def stats(self) -> SubscriberStats:
        """How the stream arrives here."""
        return self._subscriber.stats

    @property
    def url(self) -> str:
        """The address of the page, with its secret."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host  # noqa: S104
        start = f"{'https' if self._tls else 'http'}://{host}:{self._port}/"
        return f"{start}?key={self._secret}" if self._secret else start

    @property
    def clients(self) -> int:
        """Browsers connected now."""
        return len(self._clients)

    def devices(self) -> dict[str, DevicePoses]:
        """Return the newest headset and hand poses of each browser that sends them."""
        return {
            f"{client.name} {id(client):x}": client.devices
            for client in self._clients
            if client.devices is not None
        }

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Let in who has the secret, and no page of another site."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if not self._secret and not is_loopback(host):  # another name for us: DNS rebinding
            raise web.HTTPForbidden(text="open the page by the address that was printed\n")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="another site may not read this stream\n")
        # The page's own files hold nothing secret; the stream and the avatar do.
        if self._secret and request.path in ("/stream", "/avatar"):
            given = request.query.get("key", "")
            if not hmac.compare_digest(given.encode(), self._secret.encode()):
                raise web.HTTPForbidden(text="the key is missing or wrong\n")
        return await handler(request)

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "") or "index.html"
        file = self._page / name
        if "/" in name or name.startswith(".") or not file.is_file():
            raise web.HTTPNotFound(text="no such file\n")
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-cache"}
        return web.FileResponse(file, headers=headers)

    async def _serve_avatar(self, request: web.Request) -> web.StreamResponse:
        try:
            if self._avatar is None and self._prepare is None:
                raise EndpointError("no avatar file was given")
            file = self._avatar or await self._streamed(int(request.query.get("avatar", "0")))
        except (TwinError, ValueError) as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        return web.FileResponse(file, headers={"Content-Type": "model/gltf-binary"})

    async def _streamed(self, avatar_id: int) -> Path:
        """Return a twin's file as the stream gives it away; the pump takes in what comes.

        Raises:
            EndpointError: The stream gives none away, or it did not come in time.
        """
        subscriber = self._subscriber
        deadline = subscriber.clock() + _FETCH_NS
        async with self._fetching:  # one file at a time
            while True:
                path = subscriber.files.step(avatar_id, deadline, self._endpoint)
                if path is not None:
                    break
                await asyncio.sleep(0.02)
        if self._prepare is not None and path not in self._prepared:
            self._prepared[path] = asyncio.ensure_future(asyncio.to_thread(self._prepare, path))
        return await asyncio.shield(self._prepared[path])

    async def _run(self) -> None:
        """Put each new frame into every client's slot."""
        subscriber = self._subscriber
        try:
            while True:
                frame = await subscriber.recv(0.25)
                if frame is not None:
                    descriptor = subscriber.descriptors[frame.avatar_id].hash
                    self._newest[frame.avatar_id] = (descriptor, subscriber.message)
                    for client in self._clients:
                        client.poses[frame.avatar_id] = subscriber.message
                        client.wake.set()
                self._announce()
                for pulse in subscriber.haptics():
                    self._tell_all(pack(pulse))
        except TwinError as error:
            self.failure = error
            self._tell_all(pack(Refusal(reason=str(error)[:500])))

    def _tell_all(self, data: bytes) -> None:
        for client in self._clients:
            client.tell(data)

    def _announce(self) -> None:
        """Greet everybody again when an avatar joined or the publisher was restarted."""
        header = self._subscriber.header
        greeting = (
            header.session if header else 0,
            tuple(sorted((avatar, known) for avatar, (known, _) in self._newest.items())),
        )
        if greeting != self._greeting:
            self._greeting = greeting
            for client in self._clients:
                self._greet(client)

    def _greet(self, client: _Client) -> None:
        header = self._subscriber.header
        for descriptor in {d.hash: d for d in self._subscriber.descriptors.values()}.values():
            client.tell(_packed(descriptor))
        client.tell(
            pack(
                Welcome(
                    session=header.session if header else 0,
                    pose_endpoint="",
                    codec=int(header.codec) if header else 0,
                    avatars=tuple(
                        AvatarEntry(avatar=avatar, descriptor=known, newest=message)
                        for avatar, (known, message) in self._newest.items()
                    ),
                    now_ns=self._publisher_now(),
                )
            )
        )

    def _publisher_now(self) -> int:
        return self._subscriber.sync.to_publisher(self._subscriber.clock())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if len(self._clients) >= _MAX_CLIENTS:
            raise web.HTTPServiceUnavailable(text=f"{_MAX_CLIENTS} clients are connected already\n")
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=_MAX_MESSAGE_BYTES, heartbeat=_HEARTBEAT_S, autoping=True
        )
        await socket.prepare(request)
        client = _Client(socket=socket, transport=request.transport)
        if client.transport is not None:  # the kernel would keep seconds of old frames
            line = client.transport.get_extra_info("socket")
            line.setsockopt(os_socket.SOL_SOCKET, os_socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)
        self._clients.add(client)
        self._greet(client)
        writer = asyncio.create_task(self._write(client))
        try:
            async for message in socket:
                if not self._within_rate(client):  # reading on would keep the others waiting
                    self.malformed += 1
                    client.cut_off()
                    break
                arrived = self._publisher_now()
                data = message.data if message.type is WSMsgType.BINARY else b""
                try:
                    self._hear(client, data, arrived)
                except WireError:
                    self.malformed += 1
        finally:
            self._clients.discard(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if socket.exception() is not None:
                client.cut_off()
        return socket

    def _within_rate(self, client: _Client) -> bool:
        second = self._subscriber.clock() // 1_000_000_000
        if second != client.second:
            client.second, client.count = second, 0
        client.count += 1
        return client.count <= _MAX_PER_SECOND

    def _hear(self, client: _Client, data: bytes, arrived_ns: int) -> None:
        message = unpack(data)
        if isinstance(message, Ping):
            now = self._publisher_now()
            client.tell(pack(Pong(t0_ns=message.t0_ns, t1_ns=arrived_ns, t2_ns=now)))
        elif isinstance(message, DevicePoses):
            client.devices = message
            self._subscriber.send_devices(message)
        elif isinstance(message, ClientStatistics):
            whose = f"{client.name or 'browser'} {id(client):x}"
            self._subscriber.line.tell(pack(replace(message, client=whose)))
        elif isinstance(message, Hello):
            client.name = message.client[:80]
            if message.version_min <= VERSION <= message.version_max:
                self._greet(client)
            else:
                words = f"this stream speaks wire version {VERSION}; reload the page"
                client.tell(pack(Refusal(reason=words)))
        elif isinstance(message, DescriptorRequest):
            self._greet(client)
        else:
            raise WireError(f"view: a client does not send {type(message).__name__}")

    async def _write(self, client: _Client) -> None:
        """Send what there is; while the network is busy newer frames replace those in the slots."""
        while True:
            await client.wake.wait()
            client.wake.clear()
            control, client.control = client.control, []
            poses, client.poses = client.poses, {}
            try:
                for data in (*control, *poses.values()):
                    await client.socket.send_bytes(data)
            except (ConnectionError, RuntimeError):  # it left while we wrote
                return
            client.sent += len(poses)


@lru_cache(maxsize=64)
def _packed(descriptor: AvatarDescriptor) -> bytes:
    return pack(descriptor)  # takes milliseconds, and who floods asks hundreds of times
