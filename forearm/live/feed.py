"""News from another process of ours to a `LivePage`."""

import inspect
import json
import logging
from functools import cache
from typing import Any

logger = logging.getLogger(__name__)


class Feed:
    """Tells a page, whose `feed_url` this is, until it is gone; then nobody hears, and nothing is held up."""

    def __init__(self, url: str) -> None:
        from websockets.sync.client import connect

        # Not through a proxy; websockets before 15 knows none, and would not know the word.
        direct: dict[str, Any] = {"proxy": None} if "proxy" in inspect.signature(connect).parameters else {}
        self._socket: Any = None
        try:
            self._socket = connect(url, compression=None, open_timeout=5.0, close_timeout=1.0, **direct).__enter__()
        except Exception as error:
            self._lost(error)

    def publish(self, source: str, **news: Any) -> None:
        """See `forearm.live.news.Publishing`."""
        if self._socket is None:
            return
        try:
            self._socket.send(json.dumps([source, news], allow_nan=False))
        except Exception as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        logger.info("the live page is gone: %s", error)
        self._socket = None


@cache
def feed_to(url: str) -> Feed:
    """The feed of this process to a page."""
    return Feed(url)
