"""`make reliability`: run the scenarios, write docs/reliability.md."""

import argparse
import datetime
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from forearm.files import replacing


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for, one part after the other, and write the page; 1 if a command broke a limit."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m forearm.reliability", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the run in real time; 0: none")
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="of each fault, in simulated time; 0: none")
    parser.add_argument("--episodes", type=int, default=100, help="of each task, in simulated time; 0: none")
    parser.add_argument("--malformed", type=int, default=1000, help="malformed messages; 0: none")
    parser.add_argument("--clients", type=int, default=16, help="at once; 0: none")
    parser.add_argument("--client-requests", type=int, default=20, help="of each of them")
    parser.add_argument("--requests", type=int, default=200_000, help="for memory; 24 h of an arm; 0: none")
    parser.add_argument("--restart", type=int, default=1, help="0: do not kill a server under a client")
    parser.add_argument("--quick", action="store_true", help="all of it, in about two minutes")
    parser.add_argument("--out", type=Path, default=Path("docs/reliability.md"))
    options = parser.parse_args(words)
    if options.quick:
        options.seconds, options.fault_seconds, options.requests = 20.0, 6.0, 2000
        options.client_requests, options.episodes = 5, 10
    import torch

    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    found = run(options)
    command = f"make reliability RELIABILITY_ARGS={shlex.quote(' '.join(words))}" if words else "make reliability"
    with replacing(options.out) as temporary:
        from forearm.reliability.page import page

        temporary.write_text(page(found, command, datetime.date.today().isoformat(), load), encoding="utf-8")
    _say(f"written: {options.out}")
    rows = [found.get("soak"), *found.get("faults", {}).values(), *found.get("episodes", [])]
    rows.append(found["server"].get("killed"))
    return 1 if any(row and row["violations"] for row in rows) else 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was measured, by part."""
    from forearm.reliability import episodes, faults, server, soak

    found: dict[str, Any] = {"fault_seconds": options.fault_seconds, "server": {}}
    parts: dict[str, Any] = found["server"]
    if options.seconds:
        found["soak"] = _told("in real time", soak.soak(options.seconds))
    if options.fault_seconds:
        found["faults"] = _told("with bad input", faults.all_faults(options.fault_seconds))
    if options.episodes:
        tasks = ("reach", "push")
        found["episodes"] = [_told("episodes", episodes.episodes(options.episodes, task)) for task in tasks]
    if options.restart:
        parts["killed"] = _told("server killed", server.killed_and_restarted())
    if options.malformed:
        parts["malformed"] = _told("malformed messages", server.malformed(options.malformed))
    if options.clients:
        many = server.many_clients(options.clients, options.client_requests)
        parts["clients"] = _told("many clients", {"clients": options.clients, **many})
    if options.requests:
        parts["requests"] = _told("many requests", server.many_requests(options.requests))
    return found


def _told(what: str, found: dict[str, Any]) -> dict[str, Any]:
    _say(f"{what}: {json.dumps(found, default=str)}")
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
