#!/usr/bin/env bash
# websockets 13 and 14: sync.client.connect(url, proxy=None) raises TypeError before it opens a socket.
#
# `proxy` came with 15.0, where the default is to take the proxy of the environment; None turns that off. Older releases
# hand every keyword that they do not know to socket.create_connection, whose TypeError names a function that the caller
# never called. A client that must not go through a proxy, and allows websockets>=13, bites on it.
# What to do: pass `proxy` only where connect takes it, or ask for websockets>=15.
# Exits 0 while it is so, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for release in 13.0 13.1 14.2 15.0.1; do
    python3 -m pip -q install --disable-pip-version-check --no-deps --target "$folder/$release" "websockets==$release"
    PYTHONPATH="$folder/$release" python3 - "$release" <<'P'
import sys
import threading

import websockets
from websockets.sync.client import connect
from websockets.sync.server import serve

assert websockets.__version__ == sys.argv[1]
server = serve(lambda socket: None, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
try:
    connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", proxy=None).close()
    seen = "connects"
except TypeError as error:
    seen = f"TypeError: {error}"
print(f"websockets {websockets.__version__}: {seen}")
server.shutdown()
sys.exit(seen.startswith("TypeError: create_connection()") != (sys.argv[1] < "15"))
P
done
