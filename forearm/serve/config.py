"""Where and how a server listens, checked before it does."""

import hmac
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forearm.common import checks
from forearm.common.files import place
from forearm.errors import ForearmError
from forearm.settings.schema.commands import ServeCommand

TOKEN_VARIABLE = "FOREARM_TOKEN"
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Replica:
    """Which of several servers behind one port a process is.

    Attributes:
        number: from 1.
        counters: folder in which all of them count together.
        again: it takes the place of one that died.
    """

    number: int
    counters: Path
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """host, port (0: any free one). token: what clients must show, None for nobody. tls_cert, tls_key: PEM files.

    max_clients: at once. workers: threads that plan. max_message_bytes: of one message. execute: commands of a chunk
    that a client carries out before it asks again, unless it says. A client is cut off after idle_timeout s without a
    request, receive_timeout s for the rest of a message that has begun, send_timeout s for a reply to be taken.
    deadline_ms: for requests that name none. max_errors: wrong requests in a row, after which a client is cut off.

    Raises ForearmError for an address other than loopback without a token, and for values that cannot be.
    """

    host: str = checks.like(ServeCommand, "host")
    port: int = checks.like(ServeCommand, "port")
    token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_clients: int = checks.like(ServeCommand, "max_clients")
    workers: int = checks.like(ServeCommand, "workers")
    max_message_bytes: int = checks.setting(ServeCommand.max_message_kib << 10, checks.integer, least=1)
    execute: int | str = checks.like(ServeCommand, "execute")
    seed: int = checks.like(ServeCommand, "seed")
    idle_timeout: float = checks.like(ServeCommand, "idle_timeout")
    receive_timeout: float = checks.like(ServeCommand, "receive_timeout")
    send_timeout: float = checks.like(ServeCommand, "send_timeout")
    deadline_ms: float | None = checks.like(ServeCommand, "deadline_ms")
    max_errors: int = checks.setting(100, checks.integer, least=1)

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.settings(self)
        if self.token is None and not loopback(self.host):
            raise ForearmError(
                f"host={self.host} can be reached from other machines: put a token of at least {SHORTEST_TOKEN} "
                f"characters into a file and name it, token_file=FILE (or set {TOKEN_VARIABLE})"
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise ForearmError(f"the token must have at least {SHORTEST_TOKEN} characters, all of them ASCII")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ForearmError("tls_cert= and tls_key= belong together: give both or neither")

    def tls(self) -> ssl.SSLContext | None:
        """The server's side of TLS; None without. Raises ForearmError for files that cannot be used."""
        if self.tls_cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ForearmError(f"tls_cert={self.tls_cert}, tls_key={self.tls_key}: cannot be used ({error})") from None
        return context

    def url(self, scheme: str, port: int) -> str:
        """Where the server is that listens at `port`; `scheme` as it is called without TLS, such as ws."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}{'s' if self.tls_cert else ''}://{host}:{port}"

    def trusts(self, shown: Sequence[bytes]) -> bool:
        """Whether the Authorization headers of a request, all of them, show the token, if one is needed."""
        if self.token is None:
            return True
        kind, _, token = (shown[0] if len(shown) == 1 else b"").partition(b" ")
        right = hmac.compare_digest(token.strip(), self.token.encode())
        return kind.lower() in (b"api-key", b"bearer") and right


def loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(file: Any) -> str | None:
    """The token in a file, or in the environment; None without either. Raises ForearmError for an unreadable file."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return place(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ForearmError(f"token_file={file}: cannot be read ({error})") from None
