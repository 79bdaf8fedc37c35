"""Discovery: streams that announce themselves in the local network, by mDNS as `_twinsdk._tcp`.

An announcement says where a stream is and whether it has keys, never a key: who is not paired
cannot listen. Needs the `zeroconf` package (`pip install 'twinsdk[discovery]'`).
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import Any

from twinsdk.bridge.endpoints import Endpoint
from twinsdk.core.closing import Closing
from twinsdk.errors import DependencyError, EndpointError

__all__ = ["Announcement", "FoundStream", "discover"]

_SERVICE = "_twinsdk._tcp.local."
_MAX_NAME = 40
_MAX_FOUND = 256


@dataclass(frozen=True, kw_only=True)
class FoundStream:
    """A stream that announced itself.

    Attributes:
        name: What its publisher calls it.
        endpoint: Where its poses come from.
        state_endpoint: Where receivers say HELLO.
        secure: Whether it has keys; then a pairing token is needed, `twinsdk keys` makes it.
    """

    name: str
    endpoint: str
    state_endpoint: str
    secure: bool


class Announcement(Closing):
    """Announces one stream until it is closed; a context manager.

    Args:
        name: For people, at most 40 characters.
        pose: The bound pose endpoint.
        state: The bound state endpoint.
        secure: Whether the stream has keys.

    Raises:
        DependencyError: zeroconf is not installed.
        EndpointError: There is no TCP port to announce, or no network to announce it in.
    """

    def __init__(self, name: str, *, pose: Endpoint, state: Endpoint, secure: bool) -> None:
        zeroconf = _zeroconf()
        if pose.port is None or state.port is None:
            raise EndpointError(f"announce: expected a tcp endpoint, got {pose}")
        addresses = _addresses(pose)
        own = name.replace(".", " ")[:_MAX_NAME] or "twin"
        information = zeroconf.ServiceInfo(
            _SERVICE,
            f"{own}.{_SERVICE}",
            addresses=[socket.inet_aton(address) for address in addresses],
            port=pose.port,
            properties={"state": str(state.port), "secure": "1" if secure else "0"},
            server=f"{socket.gethostname().partition('.')[0]}-{pose.port}.local.",
        )
        try:
            self._zeroconf = zeroconf.Zeroconf(interfaces=addresses)
        except OSError as error:
            raise EndpointError(
                f"announce: no network for it ({error.strerror}): {pose}"
            ) from error
        # Several streams of one name get numbers behind it.
        self._zeroconf.register_service(information, allow_name_change=True)

    def close(self) -> None:
        """Take the announcement back; a second call does nothing."""
        self._zeroconf.close()


def discover(timeout_s: float = 2.0, *, interfaces: list[str] | None = None) -> list[FoundStream]:
    """Return the streams that announce themselves, by name.

    Args:
        timeout_s: How long to listen.
        interfaces: Addresses of this machine to listen on; None for all, with this machine's own.

    Raises:
        DependencyError: zeroconf is not installed.
        EndpointError: There is no network to listen in.
    """
    zeroconf = _zeroconf()
    names: dict[str, None] = {}

    def heard(*, name: str, state_change: Any, **_: Any) -> None:
        if state_change is zeroconf.ServiceStateChange.Removed:
            names.pop(name, None)
        elif len(names) < _MAX_FOUND:
            names[name] = None

    try:
        network = zeroconf.Zeroconf(interfaces=interfaces or [*_own_addresses(), "127.0.0.1"])
    except OSError as error:
        raise EndpointError(f"discover: no network to listen in ({error.strerror})") from error
    try:
        browser = zeroconf.ServiceBrowser(network, _SERVICE, handlers=[heard])
        time.sleep(timeout_s)
        browser.cancel()
        found = (_read(network.get_service_info(_SERVICE, name, 300)) for name in list(names))
        return sorted((f for f in found if f), key=lambda stream: stream.name)
    finally:
        network.close()


def _read(information: Any) -> FoundStream | None:
    """Return what a stranger's announcement says, None where it makes no sense."""
    if information is None or not information.parsed_addresses():
        return None
    try:
        host = str(ipaddress.ip_address(information.parsed_addresses()[0]))
        said = {
            key.decode(): (value or b"").decode() for key, value in information.properties.items()
        }
        state = int(said["state"])
    except (ValueError, KeyError):
        return None
    if not 0 < information.port < 65536 or not 0 < state < 65536:
        return None
    host = f"[{host}]" if ":" in host else host
    name = "".join(c for c in information.name.removesuffix(f".{_SERVICE}") if c.isprintable())
    return FoundStream(
        name=name,
        endpoint=f"tcp://{host}:{information.port}",
        state_endpoint=f"tcp://{host}:{state}",
        secure=said.get("secure") == "1",
    )


def _addresses(pose: Endpoint) -> list[str]:
    """Return the addresses of this machine at which a bound endpoint can be reached."""
    if pose.local:
        return ["127.0.0.1"]
    try:
        address = ipaddress.ip_address(pose.host.strip("[]"))
    except ValueError:  # an interface's name
        return _own_addresses()
    if address.is_unspecified or address.version == 6:
        return _own_addresses()
    return [str(address)]


def _own_addresses() -> list[str]:
    """Return the address by which this machine reaches others, nothing being sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address for documentation
            return [str(probe.getsockname()[0])]
        except OSError:
            return ["127.0.0.1"]


def _zeroconf() -> Any:
    try:
        import zeroconf
    except ImportError as error:
        raise DependencyError(
            "announcing and finding streams needs zeroconf: pip install 'twinsdk[discovery]'"
        ) from error
    return zeroconf
