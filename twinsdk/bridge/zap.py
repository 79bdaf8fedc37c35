"""Who may connect: the answers libzmq asks for while a CURVE connection is made.

Source: rfc.zeromq.org/spec/27 (ZAP 1.0). The handler must be bound before the sockets it guards.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq
from zmq.utils import z85

from twinsdk.bridge.keys import ClientKeys, ServerKeys

__all__ = ["Gatekeeper", "guard", "identify"]

_DOMAIN = b"twinsdk"
_PLACE = "inproc://zeromq.zap.01"


class Gatekeeper:
    """Lets known public keys in; its socket is polled by whoever owns it.

    Args:
        context: Of the sockets it guards.
        name_of: Returns the name of a public key (Z85), or None for a stranger.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], name_of: Callable[[str], str | None]
    ) -> None:
        self._name_of = name_of
        self.denied = 0
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(_PLACE)

    def serve(self) -> None:
        """Answer the question that is waiting."""
        request = self.socket.recv_multipart()
        # version, request id, domain, address, identity, mechanism, credentials...
        if len(request) < 6:
            self.socket.send_multipart([b"1.0", b"", b"500", b"malformed", b"", b""])
            return
        version, number, mechanism = request[0], request[1], request[5]
        name = None
        if version == b"1.0" and mechanism == b"CURVE" and len(request) == 7:
            name = self._name_of(z85.encode(request[6]).decode())
        if name is None:
            self.denied += 1
            self.socket.send_multipart([b"1.0", number, b"400", b"not paired", b"", b""])
        else:
            self.socket.send_multipart([b"1.0", number, b"200", b"welcome", name.encode(), b""])


def guard(socket: zmq.Socket[bytes], keys: ServerKeys) -> None:
    """Let a socket that will be bound speak CURVE only."""
    socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())


def identify(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Give a socket that will connect its own keys and the server's."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
