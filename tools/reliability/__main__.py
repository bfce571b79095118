"""`make reliability`: run the scenarios, write docs/reliability.md."""

import argparse
import datetime
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from forearm.common.files import replacing, write_json

DAY = 432_000
"""Plans of an arm in 24 hours, one each 0.2 s."""
PARTS = ("real-time", "faults", "episodes", "misfortunes", "arrival", "killed", "malformed", "clients", "requests")
"""What can be run alone."""
GROWTH = 20.0
"""MB by which a process may grow before it is said to; allocators keep some."""


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for, one part after the other, and write the page; 1 if anything is not as it should be."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m tools.reliability", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the run in real time; 0: none")
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="of each fault, in simulated time; 0: none")
    parser.add_argument("--episodes", type=int, default=100, help="of each task, in simulated time; 0: none")
    parser.add_argument("--misfortunes", type=int, default=20, help="episodes of each, in simulated time; 0: none")
    parser.add_argument("--arrivals", type=int, default=100, help="episodes of each task, in simulated time; 0: none")
    parser.add_argument("--malformed", type=int, default=1000, help="malformed messages; 0: none")
    parser.add_argument("--clients", type=int, default=16, help="at once; 0: none")
    parser.add_argument("--client-requests", type=int, default=20, help="of each of them")
    parser.add_argument("--requests", type=int, default=DAY, help="for memory; a day of an arm's plans; 0: none")
    parser.add_argument("--restart", type=int, default=1, help="0: do not kill a server under a client")
    parser.add_argument("--quick", action="store_true", help="all of it, in about two minutes")
    parser.add_argument("--only", choices=PARTS, help="this part alone; the page keeps what was found of the others")
    parser.add_argument("--found", type=Path, default=Path("outputs/reliability.json"), help="where figures are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/reliability.md"))
    options = parser.parse_args(words)
    if options.quick:
        options.seconds, options.fault_seconds, options.requests = 20.0, 6.0, 2000
        options.client_requests, options.episodes = 5, 10
        options.misfortunes, options.arrivals = 2, 5
    import torch

    torch.set_num_threads(1)
    command = f"make reliability RELIABILITY_ARGS={shlex.quote(' '.join(words))}" if words else "make reliability"
    about = {"command": command, "date": datetime.date.today().isoformat(), "load": os.getloadavg()[0]}
    now = run(options, about)
    found = together(json.loads(options.found.read_text(encoding="utf-8")), now) if _kept(options) else now
    write_json(options.found, found)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.out) as temporary:
        from tools.reliability.page import page

        temporary.write_text(page(found), encoding="utf-8")
    _say(f"written: {options.out}")
    wrong = problems(now)
    for problem in wrong:
        _say(f"wrong: {problem}")
    return 1 if wrong else 0


def problems(found: dict[str, Any]) -> list[str]:
    """What is not as it should be, a line each. How late beats are is no problem here: it depends on the machine."""
    wrong, server = [], found["server"]
    faults, killed = found.get("faults", {}), server.get("killed")
    moved = {"real time": found.get("soak"), **faults, "killed": killed}
    moved |= {f"episodes of {row['task']}": row for row in found.get("episodes", [])}
    wrong += [f"{name}: {row['violations']} violations" for name, row in moved.items() if row and row["violations"]]
    wrong += [f"{name}: the arm does not move again" for name, row in faults.items() if not row["moved_after"]]
    for name, row in found.get("misfortunes", {}).items():
        slow = row["rest_after_s"] is None or row["rest_after_s"] > 0.5 + 1e-6
        if row["violations"] or slow or row["again"] < row["episodes"]:
            wrong.append(f"{name}: violations, no rest within 0.5 s, or no motion after a reset")
    for row in found.get("arrivals", []):
        if row["stayed"] < row["reached"]:
            wrong.append(f"arrival of {row['task']}: {row['reached'] - row['stayed']} did not stay")
    grown = {"real time": found.get("soak"), "malformed messages": server.get("malformed")}
    wrong += [
        f"{name}: grown by {row['grown_mb']:.1f} MB" for name, row in grown.items() if row and row["grown_mb"] > GROWTH
    ]
    if (many := server.get("requests")) and many["mb_at_the_end"] - many["mb_at_a_tenth"] > GROWTH:
        wrong.append(f"many requests: grown by {many['mb_at_the_end'] - many['mb_at_a_tenth']:.1f} MB")
    if killed and not (killed["moved_again"] and killed["rest_after_s"] is not None):
        wrong.append("a killed server: the arm does not come to rest, or does not move again")
    if (malformed := server.get("malformed")) and malformed["defects"]:
        wrong.append(f"{malformed['defects']} malformed messages led to a defect")
    if (many := server.get("clients")) and not (many["answered"] == many["asked"] and many["slow_cut_off"]):
        wrong.append("not every client was answered, or the slow one was not cut off")
    return wrong


def together(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was found before, with what was found now in its place."""
    merged = {key: before[key] | now[key] for key in ("server", "runs")}
    return before | now | merged


def _kept(options: argparse.Namespace) -> bool:
    return bool(options.only) and options.found.is_file()


def run(options: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, by part, and `about` under `runs`: command, date and load average of each part."""
    from tools.reliability import episodes, faults, misfortunes, server, soak

    found: dict[str, Any] = {"server": {}, "runs": {}}
    parts: dict[str, Any] = found["server"]

    def asked(part: str, much: float) -> bool:
        if wanted := bool(much) and options.only in (None, part):
            found["runs"][part] = about
        return wanted

    if asked("real-time", options.seconds):
        found["soak"] = _told("in real time", soak.soak(options.seconds))
    if asked("faults", options.fault_seconds):
        found["fault_seconds"] = options.fault_seconds
        found["faults"] = _told("with bad input", faults.all_faults(options.fault_seconds))
    if asked("episodes", options.episodes):
        tasks = ("reach", "push")
        found["episodes"] = [_told("episodes", episodes.episodes(options.episodes, task)) for task in tasks]
    if asked("misfortunes", options.misfortunes):
        found["misfortunes"] = _told("misfortunes", misfortunes.all_misfortunes(options.misfortunes))
    if asked("arrival", options.arrivals):
        tasks = ("reach", "push")
        found["arrivals"] = [_told("arrival", misfortunes.arrivals(options.arrivals, task)) for task in tasks]
    if asked("killed", options.restart):
        parts["killed"] = _told("server killed", server.killed_and_restarted())
    if asked("malformed", options.malformed):
        parts["malformed"] = _told("malformed messages", server.malformed(options.malformed))
    if asked("clients", options.clients):
        many = server.many_clients(options.clients, options.client_requests)
        parts["clients"] = _told(
            "many clients", {"clients": options.clients, "asked": options.clients * options.client_requests, **many}
        )
    if asked("requests", options.requests):
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
