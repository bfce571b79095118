#!/usr/bin/env bash
# websockets 17: process_request is called for POST, PUT, HEAD too, and what it answers is sent, body and all.
#
# Up to 16.0 a server hung up on any method but GET by itself, so a process_request that looks at the path alone was
# enough for a health check. From 17.0 on the request has a `method`, and whoever looks at the path alone answers
# 200 to POST, and HEAD with a body, which puts the next answer on a kept connection out of step. A request with a body
# is still hung up on without an answer.
# What to do: answer 405 with Allow: GET where `getattr(request, "method", "GET")` is another one, without a body to HEAD.
# Exits 0 while it is so, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for release in 16.0 17.4; do
    python3 -m pip -q install --disable-pip-version-check --no-deps --target "$folder/$release" "websockets==$release"
    PYTHONPATH="$folder/$release" python3 - "$release" <<'P'
import asyncio
import http
import logging
import sys

import websockets
from websockets.asyncio.server import serve

assert websockets.__version__ == sys.argv[1]
logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def ask(port: int, method: str, body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    return answer


async def main() -> dict[str, bytes]:
    def visit(connection, request):
        return connection.respond(http.HTTPStatus.OK, "OK\n") if request.path == "/healthz" else None

    async def client(socket):
        pass

    async with serve(client, "127.0.0.1", 0, process_request=visit) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        asked = {"POST": b"", "HEAD": b"", "POST with a body": b"x=1"}
        return {name: await ask(port, name.split()[0], body) for name, body in asked.items()}


found = asyncio.run(main())
for name, answer in found.items():
    print(f"websockets {websockets.__version__}: {name}: {answer.splitlines()[0].decode() if answer else 'no answer'}"
          f"{', with a body' if answer.endswith(b'OK' + bytes([10])) else ''}")
new = sys.argv[1] >= "17"
served = [found[name].startswith(b"HTTP/1.1 200") and found[name].endswith(b"OK\n") for name in ("POST", "HEAD")]
sys.exit(served != [new, new] or b" 200 " in found["POST with a body"])
P
done
