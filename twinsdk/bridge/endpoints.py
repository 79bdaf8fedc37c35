"""Endpoints: what may be bound, where the state plane lies, and the options of every socket."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import zmq

from twinsdk.errors import EndpointError

__all__ = ["Endpoint", "bind", "configure", "is_loopback", "parse_endpoint"]

MAX_POSE_BYTES = 1 << 17
"""No pose message is longer: 4096 joints of float32 are 66 KB."""
MAX_STATE_BYTES = 1 << 20
"""No state message is longer: the descriptor of 4096 joints with long names fits."""
_KERNEL_BUFFER_BYTES = 8192
"""Small, so that a stalled link holds a few frames, not seconds of them."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A ZeroMQ address taken apart.

    Attributes:
        scheme: "tcp" or "ipc".
        host: Host name or address; for ipc the path.
        port: TCP port, 0 for any free one, None for ipc.
    """

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        if self.scheme == "ipc":
            return f"ipc://{self.host}"
        return f"tcp://{self.host}:{self.port or '*'}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.scheme == "ipc" or is_loopback(self.host)

    def state(self) -> Endpoint:
        """Return where the state plane of this pose endpoint lies: the next port, or `.state`."""
        if self.scheme == "ipc":
            return Endpoint(scheme="ipc", host=f"{self.host}.state", port=None)
        return Endpoint(scheme="tcp", host=self.host, port=self.port and self.port + 1)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name or an interface
        return False


def parse_endpoint(text: str) -> Endpoint:
    """Return the parts of `tcp://HOST:PORT` or `ipc://PATH`.

    Raises:
        EndpointError: It is neither.
    """
    scheme, separator, rest = str(text).partition("://")
    if separator and scheme == "ipc" and rest:
        return Endpoint(scheme="ipc", host=rest, port=None)
    host, colon, port = rest.rpartition(":")
    if scheme == "tcp" and colon and host:
        if port == "*":
            return Endpoint(scheme="tcp", host=host, port=0)
        # 65534: the state plane takes the next one
        if port.isdecimal() and 0 <= int(port) <= 65534:
            return Endpoint(scheme="tcp", host=host, port=int(port))
    raise EndpointError(
        f"endpoint: expected tcp://HOST:PORT (port 1 to 65534 or *) or ipc://PATH, got {text!r}"
    )


def configure(socket: zmq.Socket[bytes], *, queue: int, limit_bytes: int) -> None:
    """Set what every socket of the stream shares: short queues, heartbeats, no lingering."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, queue)
    socket.setsockopt(zmq.RCVHWM, queue)
    socket.setsockopt(zmq.MAXMSGSIZE, limit_bytes)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.setsockopt(zmq.IPV6, 1)


def shrink_kernel_buffers(socket: zmq.Socket[bytes]) -> None:
    """Bound how many bytes of a stalled link the kernel keeps; for pose sockets."""
    socket.setsockopt(zmq.SNDBUF, _KERNEL_BUFFER_BYTES)
    socket.setsockopt(zmq.RCVBUF, _KERNEL_BUFFER_BYTES)


def bind(socket: zmq.Socket[bytes], endpoint: Endpoint) -> Endpoint:
    """Bind and return the endpoint with the port it got.

    Raises:
        EndpointError: The port is taken, or the address is not of this machine.
    """
    try:
        socket.bind(str(endpoint))
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise EndpointError(
                f"endpoint: the address is in use by another program; stop it or choose another "
                f"port, for instance tcp://127.0.0.1:* for any free one: {endpoint}"
            ) from error
        raise EndpointError(
            f"endpoint: cannot listen there ({error.strerror}): {endpoint}"
        ) from error
    got = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    if endpoint.scheme == "ipc":
        return endpoint
    return Endpoint(scheme="tcp", host=endpoint.host, port=int(got.rpartition(":")[2]))


def refuse_exposure(endpoint: Endpoint) -> None:
    """Let only this machine listen to a stream without keys.

    Raises:
        EndpointError: Other machines could reach the endpoint.
    """
    if not endpoint.local:
        raise EndpointError(
            "endpoint: other machines could read this stream, and it has no keys; make them with "
            f"`twinsdk keys`, or stay on tcp://127.0.0.1:{endpoint.port or '*'}: {endpoint}"
        )
