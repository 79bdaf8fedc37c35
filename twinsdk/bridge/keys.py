"""Keys of a stream: who may listen, and the one line of text that lets a device in.

A folder holds the stream's own pair (`server.key_secret`) and one public key for every device that
may connect (`clients/NAME.key`), in the certificate format of ZeroMQ. A pairing token carries the
endpoint, the stream's public key and the device's secret key: whoever has it may listen, so show
it to the device's owner only. Encryption is CurveZMQ (Curve25519, rfc.zeromq.org/spec/26).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from twinsdk.bridge.endpoints import parse_endpoint
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.errors import EndpointError, FormatError, OutputError, UsageError

__all__ = [
    "ClientKeys",
    "ServerKeys",
    "Token",
    "clients",
    "default_key_folder",
    "keys_for",
    "load_server_keys",
    "make_server_keys",
    "pair",
    "revoke",
]

_SERVER_FILE = "server.key_secret"
_LINE_START = "twin1-"
_KEY_BYTES, _CHECK_BYTES = 32, 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELD = re.compile(r'^\s*(public|secret)-key\s*=\s*"(.{40})"\s*$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class ClientKeys:
    """What a device needs to listen: its own secret key, and whose stream it trusts (Z85 text)."""

    secret: str = field(repr=False)
    server_public: str

    @property
    def public(self) -> str:
        """The device's public key."""
        return zmq.curve_public(self.secret.encode()).decode()


@dataclass(frozen=True, kw_only=True)
class ServerKeys:
    """A stream's own pair (Z85 text) and the folder with the keys of those who may listen."""

    public: str
    secret: str = field(repr=False)
    folder: Path

    def name_of(self, public: str) -> str | None:
        """Return the name of the device with that public key, None for a stranger.

        The folder is read each time, so a device that is revoked is out at its next connection.
        """
        return next((name for name, key in clients(self.folder).items() if key == public), None)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A pairing token taken apart; `str(token)` is the line of text to show or scan."""

    endpoint: str
    keys: ClientKeys

    def __str__(self) -> str:
        body = (
            z85.decode(self.keys.server_public.encode())
            + z85.decode(self.keys.secret.encode())
            + self.endpoint.encode()
        )
        return _LINE_START + base64.urlsafe_b64encode(_check(body) + body).decode().rstrip("=")

    @staticmethod
    def is_token(text: str) -> bool:
        """Return whether text looks like a token and not like an endpoint."""
        return text.startswith(_LINE_START)

    @classmethod
    def parse(cls, text: str) -> Token:
        """Return the token in a line of text.

        Raises:
            EndpointError: It is no token, or was not copied whole.
        """
        encoded = text.strip().removeprefix(_LINE_START)
        try:
            data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            data = b""
        body = data[_CHECK_BYTES:]
        if (
            not cls.is_token(text.strip())
            or len(body) <= 2 * _KEY_BYTES
            or data[:_CHECK_BYTES] != _check(body)
        ):
            raise EndpointError(
                f"token: expected a whole line that starts with {_LINE_START}, as `twinsdk keys` "
                f"printed it, got {text[:12]!r}... of {len(text)} characters"
            )
        endpoint = body[2 * _KEY_BYTES :].decode()
        parse_endpoint(endpoint)
        return cls(
            endpoint=endpoint,
            keys=ClientKeys(
                secret=z85.encode(body[_KEY_BYTES : 2 * _KEY_BYTES]).decode(),
                server_public=z85.encode(body[:_KEY_BYTES]).decode(),
            ),
        )


def default_key_folder() -> Path:
    """Return where keys lie unless another folder is named."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", str(Path.home()))) / "twinsdk" / "keys"
    return Path.home() / ".config" / "twinsdk" / "keys"


def make_server_keys(folder: str | Path | None = None) -> ServerKeys:
    """Return the stream's keys in a folder, made there when there are none.

    Raises:
        OutputError: The folder cannot be written.
    """
    place = _folder(folder)
    if not (place / _SERVER_FILE).exists():
        public, secret = (key.decode() for key in zmq.curve_keypair())
        _write(place / _SERVER_FILE, public, secret)
    return load_server_keys(place)


def load_server_keys(folder: str | Path | None = None) -> ServerKeys:
    """Return the stream's keys in a folder.

    Raises:
        FileMissingError: There are none; `make_server_keys` makes them.
        FormatError: The file holds no key pair.
    """
    place = _folder(folder)
    found = _read(existing_file(place / _SERVER_FILE, what="keys (make them with `twinsdk keys`)"))
    if "secret" not in found:
        raise FormatError(f"keys: expected a secret-key line: {place / _SERVER_FILE}")
    public = zmq.curve_public(found["secret"].encode()).decode()
    return ServerKeys(public=public, secret=found["secret"], folder=place)


def keys_for(endpoint: str, folder: str | Path | None = None) -> ServerKeys | None:
    """Return the keys an endpoint needs: the folder's where others can reach it, else None.

    With a folder named, its keys are used on this machine too.

    Raises:
        EndpointError: The endpoint is malformed.
        FileMissingError: Keys are needed and there are none yet.
    """
    if parse_endpoint(endpoint).local and folder is None:
        return None
    return load_server_keys(folder)


def pair(name: str, *, endpoint: str, folder: str | Path | None = None) -> Token:
    """Let a new device in and return its token; the secret in it is kept nowhere else.

    Args:
        name: The device's, for lists and for revoking; letters, digits, dot, dash, underscore.
        endpoint: The pose endpoint as the device reaches it.
        folder: Where the stream's keys lie; they are made when there are none.

    Raises:
        UsageError: The name cannot be a file name, or is taken.
        EndpointError: The endpoint is malformed, or is one that no other machine can connect to.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"name: expected letters, digits, dot, dash, underscore, got {name!r}")
    place = parse_endpoint(endpoint)
    if place.port == 0 or place.host in ("*", "0.0.0.0", "::", "[::]"):  # noqa: S104
        raise EndpointError(
            f"endpoint: expected the address and port that the device connects to, got {place}"
        )
    server = make_server_keys(folder)
    if name in clients(server.folder):
        raise UsageError(f"name: {name!r} is paired already; revoke it first or choose another")
    public, secret = (key.decode() for key in zmq.curve_keypair())
    _write(server.folder / "clients" / f"{name}.key", public, None)
    return Token(endpoint=str(place), keys=ClientKeys(secret=secret, server_public=server.public))


def clients(folder: str | Path | None = None) -> dict[str, str]:
    """Return the public keys of the devices that may listen, by name."""
    found = {}
    for file in sorted((_folder(folder) / "clients").glob("*.key")):
        key = _read(file).get("public")
        if key is not None:
            found[file.stem] = key
    return found


def revoke(name: str, *, folder: str | Path | None = None) -> None:
    """Shut a device out from its next connection on.

    Raises:
        UsageError: No device of that name is paired.
    """
    known = clients(folder)
    if name not in known:
        raise UsageError(f"name: expected one of {sorted(known)}, got {name!r}")
    (_folder(folder) / "clients" / f"{name}.key").unlink()


def _folder(folder: str | Path | None) -> Path:
    return default_key_folder() if folder is None else Path(folder)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_BYTES]


def _read(file: Path) -> dict[str, str]:
    return dict(_FIELD.findall(file.read_text(encoding="utf-8", errors="replace")))


def _write(file: Path, public: str, secret: str | None) -> None:
    lines = ["metadata", "curve", f'    public-key = "{public}"']
    if secret is not None:
        lines.append(f'    secret-key = "{secret}"')
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError(
            f"keys: cannot make the folder ({error.strerror}): {file.parent}"
        ) from error
    old_mask = os.umask(0o077)  # nobody else may read a secret, not even for a moment
    try:
        with atomic_path(file) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    finally:
        os.umask(old_mask)
