"""The gateway: browsers get the stream and nobody else does."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET

import aiohttp
import pytest

from twinsdk.bridge import AvatarDescriptor, Publisher
from twinsdk.bridge import gateway as gateway_module
from twinsdk.bridge.client_statistics import ClientStatistics
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses, Haptic
from twinsdk.bridge.gateway import Gateway
from twinsdk.bridge.messages import Hello, Ping, Pong, Refusal, Welcome, pack, unpack
from twinsdk.bridge.wire import FrameDecoder
from twinsdk.core.clock import now_ns
from twinsdk.errors import EndpointError, FileMissingError


@asynccontextmanager
async def streaming(descriptor, frame_on, **options):
    """Publish at 100 Hz and serve a gateway to it."""
    given = options.pop("avatar_file", None) if "prepare" in options else None
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor, avatar_file=given) as publisher:

        async def send():
            sequence = 0
            while True:
                sequence += 1
                publisher.send(
                    frame_on(descriptor, sequence, sequence=sequence, timestamp_ns=now_ns())
                )
                await asyncio.sleep(0.01)

        task = asyncio.create_task(send())
        try:
            async with Gateway(publisher.endpoint, port=0, **options) as gateway:
                yield gateway, publisher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, timeout=30))


async def until(socket, kind):
    """Return the next message of a kind, "pose" for poses."""
    async for message in socket:
        data = message.data
        if data[:3] == b"TWN":
            if kind == "pose":
                return data
        elif kind != "pose" and isinstance(found := unpack(data), kind):
            return found
    raise AssertionError("the socket was closed")


def test_a_browser_gets_descriptor_and_poses_that_decode(descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(8)

    async def scenario():
        async with (
            streaming(descriptor, frame_on) as (gateway, _),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream") as socket,
        ):
            found = await until(socket, AvatarDescriptor)
            assert found.hash == descriptor.hash
            welcome = await until(socket, Welcome)
            assert [entry.avatar for entry in welcome.avatars] == [3]
            decoder = FrameDecoder(skeleton=found.skeleton, descriptor=found.hash)
            sequences = []
            for _ in range(20):
                frame, _ = decoder.decode(await until(socket, "pose"))
                sequences.append(frame.sequence)
            assert sequences == sorted(set(sequences))

    run(scenario())


def test_a_browser_that_stalled_gets_the_newest_frame_and_not_the_backlog(
    descriptor_of_size, frame_on, monkeypatch
):
    monkeypatch.setattr(gateway_module, "_HEARTBEAT_S", 60.0)  # the stall is not to be cut off
    # Large frames, so that the buffers between both ends are full soon.
    descriptor = descriptor_of_size(4000)

    async def scenario():
        async with (
            streaming(descriptor, frame_on) as (gateway, publisher),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream", max_msg_size=0) as socket,
        ):
            await until(socket, "pose")
            transport = socket._response.connection.transport
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 16)
            transport.pause_reading()
            (client,) = gateway._clients
            sent = -1
            while client.sent != sent:  # until nothing goes out any more
                sent = client.sent
                await asyncio.sleep(0.4)
            behind = publisher.stats.sent
            await asyncio.sleep(1)
            assert client.sent == sent
            assert len(client.poses) == 1
            newest = publisher.stats.sent
            assert newest > behind + 5
            transport.resume_reading()
            sequences = []
            while not sequences or sequences[-1] < newest:
                message = await until(socket, "pose")
                sequences.append(int.from_bytes(message[8:12], "little"))
            assert sequences == sorted(set(sequences))
            # What was in the buffers comes first; the frames of the last second are skipped.
            assert max(b - a for a, b in itertools.pairwise(sequences)) > 5

    run(scenario())


def test_the_clock_headset_poses_and_haptics_pass_through(descriptor_of_size, frame_on):
    head = Device(kind=DeviceKind.HEAD, position=(0, 1.5, 0), rotation=(0, 0, 0, 1))

    async def scenario():
        async with (
            streaming(descriptor_of_size(3), frame_on) as (gateway, publisher),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream") as socket,
        ):
            await socket.send_bytes(pack(Hello(client="page")))
            await socket.send_bytes(pack(Ping(t0_ns=5)))
            pong = await until(socket, Pong)
            assert pong.t0_ns == 5
            assert abs(pong.t2_ns - now_ns()) < 1_000_000_000
            await socket.send_bytes(pack(DevicePoses(t_ns=9, devices=(head,))))
            for _ in range(200):
                if publisher.devices() and gateway.devices():
                    break
                await asyncio.sleep(0.02)
            assert next(iter(publisher.devices().values())).devices == (head,)
            assert next(iter(gateway.devices())).startswith("page ")
            publisher.shake(Haptic(kind=DeviceKind.LEFT_HAND, amplitude=1, duration_s=0.5))
            assert (await until(socket, Haptic)).duration_s == 0.5

    run(scenario())


def test_strangers_other_sites_and_rebound_names_are_shut_out(descriptor_of_size, frame_on):
    async def scenario():
        async with (
            streaming(descriptor_of_size(3), frame_on, secret="s3cret") as (gateway, _),
            aiohttp.ClientSession() as session,
        ):
            place = gateway.url.split("?")[0]
            assert gateway.url.endswith("?key=s3cret")
            for address, headers, status in (
                ("stream", {}, 403),
                ("stream?key=wrong", {}, 403),
                ("avatar", {}, 403),
                ("stream?key=s3cret", {"Origin": "http://evil.example"}, 403),
                ("avatar?key=s3cret", {}, 404),
                ("../pyproject.toml", {}, 404),
                (".hidden", {}, 404),
            ):
                async with session.get(place + address, headers=headers) as answer:
                    assert answer.status == status, address
            async with session.ws_connect(place + "stream?key=s3cret") as socket:
                await until(socket, "pose")
        async with (
            streaming(descriptor_of_size(3), frame_on) as (gateway, _),
            aiohttp.ClientSession() as session,
            session.get(gateway.url + "stream", headers={"Host": "evil.example"}) as answer,
        ):
            assert answer.status == 403

    run(scenario())


def test_malformed_messages_are_counted_and_the_stream_goes_on(descriptor_of_size, frame_on):
    async def scenario():
        async with (
            streaming(descriptor_of_size(3), frame_on) as (gateway, _),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream") as socket,
        ):
            for bad in (b"", b"TWNS", b"\x10\0\0\0TWNS" + bytes(40), pack(Refusal(reason="x"))):
                await socket.send_bytes(bad)
            await socket.send_str("text")
            await until(socket, "pose")
            for _ in range(100):
                if gateway.malformed == 5:
                    break
                await asyncio.sleep(0.02)
            assert gateway.malformed == 5
            await until(socket, "pose")

    run(scenario())


def test_the_avatar_file_is_served_as_it_is(descriptor_of_size, frame_on, tmp_path):
    (tmp_path / "me.vrm").write_bytes(b"glTF....")

    async def scenario():
        async with (
            streaming(descriptor_of_size(3), frame_on, avatar_file=tmp_path / "me.vrm") as (
                gateway,
                _,
            ),
            aiohttp.ClientSession() as session,
            session.get(gateway.url + "avatar") as answer,
        ):
            assert await answer.read() == b"glTF...."

    run(scenario())


def test_the_page_comes_with_the_package():
    async def scenario():
        async with (
            Gateway("tcp://127.0.0.1:5555", port=0) as gateway,
            aiohttp.ClientSession() as session,
        ):
            async with session.get(gateway.url) as answer:
                assert answer.status == 200
                assert "twinsdk viewer" in await answer.text()
            async with session.get(gateway.url + "app.js") as answer:
                assert answer.content_type in ("text/javascript", "application/javascript")

    run(scenario())


def test_bad_places_and_files_are_refused_in_words(tmp_path):
    with pytest.raises(EndpointError, match="give a secret"):
        Gateway("tcp://127.0.0.1:5555", host="0.0.0.0")
    with pytest.raises(FileMissingError, match="avatar"):
        Gateway("tcp://127.0.0.1:5555", avatar_file=tmp_path / "none.vrm")

    async def scenario():
        async with Gateway("tcp://127.0.0.1:5555", port=0) as first:
            port = int(first.url.rstrip("/").rpartition(":")[2])
            with pytest.raises(EndpointError, match="choose another port"):
                async with Gateway("tcp://127.0.0.1:5555", port=port):
                    pass

    run(scenario())


def test_the_streamed_file_is_served_as_it_was_prepared_and_statistics_go_up(
    descriptor_of_size, frame_on, tmp_path, monkeypatch
):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "me.vrm"
    file.write_bytes(b"glTF" + bytes(300_000))
    told = ClientStatistics(
        received=5, lost=1, age_p50_ms=2.0, age_p99_ms=4.0, held_ms=1.0, client="forged"
    )

    def prepare(path):
        made = tmp_path / "prepared.vrm"
        made.write_bytes(path.read_bytes() + b"ready")
        return made

    async def scenario():
        avatar = descriptor_of_size(3)
        async with (
            streaming(avatar, frame_on, avatar_file=file, prepare=prepare) as (gateway, publisher),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream") as socket,
        ):
            await until(socket, "pose")
            async with session.get(gateway.url + "avatar?avatar=3") as answer:
                assert await answer.read() == file.read_bytes() + b"ready"
            async with session.get(gateway.url + "avatar?avatar=x") as answer:
                assert answer.status == 404
            await socket.send_bytes(pack(Hello(client="phone")))
            await socket.send_bytes(pack(told))
            while not any(name.startswith("phone") for name in publisher.stats.receivers):
                await until(socket, "pose")
            names = publisher.stats.receivers
            assert not any("forged" in name for name in names)
            (seen,) = (value for name, value in names.items() if name.startswith("phone"))
            assert (seen.received, seen.lost) == (5, 1)

    run(scenario())


def test_a_browser_that_reads_nothing_more_is_cut_off(descriptor_of_size, frame_on):
    async def scenario():
        async with streaming(descriptor_of_size(4000), frame_on) as (gateway, _):
            host, port = gateway.url.removeprefix("http://").rstrip("/").split(":")
            _, writer = await asyncio.open_connection(host, int(port), limit=1 << 10)
            writer.write(
                f"GET /stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            while gateway.clients == 0:
                await asyncio.sleep(0.05)
            while gateway.clients > 0:
                await asyncio.sleep(0.1)
            with pytest.raises(ConnectionError):
                while True:  # the connection itself is gone, not only its place in the list
                    writer.write(bytes(1000))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.transport.abort()

    run(scenario())


def test_a_browser_that_floods_is_cut_off_and_others_go_on(descriptor_of_size, frame_on):
    async def scenario():
        async with (
            streaming(descriptor_of_size(3), frame_on) as (gateway, _),
            aiohttp.ClientSession() as session,
            session.ws_connect(gateway.url + "stream") as calm,
            session.ws_connect(gateway.url + "stream") as flood,
        ):
            await until(calm, "pose")
            with pytest.raises((ConnectionError, aiohttp.ClientError)):
                while True:
                    await flood.send_bytes(b"noise")
            while gateway.clients > 1:
                await until(calm, "pose")
            await until(calm, "pose")

    run(scenario())
