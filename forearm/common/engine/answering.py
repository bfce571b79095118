"""Whether a Ray cluster is to be found at an address, told within seconds: Ray itself takes minutes."""

import socket

from forearm.errors import ForearmError, one_line

SECONDS = 3.0
"""That an answer may take."""
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How HTTP/2 begins, which gRPC and so Ray speak: the preface, and settings that are the usual ones."""
_SETTINGS = 4
"""Kind of the frame that comes back."""


def check_answering(address: str) -> None:
    """Raise `ForearmError` unless there is a Ray cluster at `address`, auto or HOST:PORT."""
    place = address
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address

        try:
            place = str(canonicalize_bootstrap_address(address))
        except ConnectionError:
            raise ForearmError(
                "ray.address=auto: this machine is a part of no Ray cluster: start one with 'ray start --head', or "
                "leave ray.address out"
            ) from None
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or "/" in host or not 0 < int(port) < 65536:
        raise ForearmError(f"ray.address={address}: write auto, or HOST:PORT of the head, such as 10.0.0.5:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS) as connection:
            connection.sendall(_HELLO)
            answer = connection.recv(4)
    except OSError as error:
        raise ForearmError(f"ray.address={address}: no answer from {place} ({one_line(error)}); {_REMEDY}") from None
    if answer[3:4] != bytes([_SETTINGS]):
        raise ForearmError(f"ray.address={address}: what answers at {place} is no Ray cluster; {_REMEDY}")


_REMEDY = "the address is what 'ray start --head' printed, and the port must be open"
