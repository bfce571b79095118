"""News from another process of ours to a `LivePage`."""

import json
import logging
from functools import cache
from typing import Any

from forearm.common.websocket import direct

logger = logging.getLogger(__name__)


class Feed:
    """Tells a page, whose `feed_url` this is, until it is gone; then nobody hears, and nothing is held up."""

    def __init__(self, url: str) -> None:
        from websockets.sync.client import connect

        given: dict[str, Any] = {"compression": None, "open_timeout": 5.0, "close_timeout": 1.0, **direct(connect)}
        self._socket: Any = None
        try:
            self._socket = connect(url, **given).__enter__()
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
