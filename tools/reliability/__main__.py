"""`make reliability`: run the scenarios, keep their figures, write docs/reliability.md."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError
from tools.reliability.misfortunes import PAUSE, SOON
from tools.reliability.page import PARTS
from tools.render.figures import PLACE, about, save
from tools.render.pages import write

DAY = 432_000
"""Plans of an arm in 24 hours, one each 0.2 s."""
GROWTH = 20.0
"""MB by which a process may grow before it is said to; allocators keep some."""
FREED = 0.02
"""rad by which an arm may sag when its brakes are opened."""
TASKS = ("reach", "push")


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for, one part after the other, and write the page; 1 if anything is not as it should be."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m tools.reliability", parents=[PLACE], description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of each run in real time; 0: none")
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="of each fault, in simulated time; 0: none")
    parser.add_argument("--episodes", type=int, default=100, help="of each task, in simulated time; 0: none")
    parser.add_argument("--misfortunes", type=int, default=10, help="episodes of each and each task; 0: none")
    parser.add_argument("--schedules", type=int, default=1000, help="random ones, in simulated time; 0: none")
    parser.add_argument("--false-stop-hours", type=float, default=3.2, help="of each task, simulated; 0: none")
    parser.add_argument("--arrivals", type=int, default=100, help="episodes of each task, in simulated time; 0: none")
    parser.add_argument("--malformed", type=int, default=1000, help="malformed messages; 0: none")
    parser.add_argument("--clients", type=int, default=16, help="at once; 0: none")
    parser.add_argument("--client-requests", type=int, default=20, help="of each of them")
    parser.add_argument("--requests", type=int, default=DAY, help="for memory; a day of an arm's plans; 0: none")
    parser.add_argument("--restart", type=int, default=1, help="0: do not kill a server under a client")
    parser.add_argument("--quick", action="store_true", help="all of it, in about two minutes")
    parser.add_argument("--only", choices=PARTS, help="this part alone; the page keeps what was found of the others")
    options = parser.parse_args(words)
    docs = options.docs or Path("outputs/reliability" if options.quick else "docs")
    if options.quick:
        options.seconds, options.fault_seconds, options.requests = 20.0, 6.0, 2000
        options.client_requests, options.episodes = 5, 10
        options.misfortunes, options.arrivals, options.schedules, options.false_stop_hours = 1, 5, 20, 0.02
    import torch

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    try:
        write(docs, "reliability")  # figures that cannot be rendered are told before anything is measured
        for part, measure in parts(options).items():
            if options.only not in (None, part):
                continue
            measured = about("reliability", words)
            found[part] = measure()
            _say(f"{part}: {json.dumps(found[part], default=str)}")
            save(docs, "reliability", part, measured | {"figures": found[part]})
            write(docs, "reliability")
    except ForearmError as error:
        sys.stderr.write(f"reliability: {error}\n")
        return 2
    _say(f"written: {docs / 'reliability.md'}")
    wrong = problems(found)
    for problem in wrong:
        _say(f"wrong: {problem}")
    return 1 if wrong else 0


def problems(found: Mapping[str, Any]) -> list[str]:
    """What is not as it should be in the figures of each part, a line each. How late beats are is no problem here: it
    depends on the machine.
    """
    wrong = []
    faults, killed = found.get("faults", {}).get("faults", {}), found.get("killed")
    moved = {"real time": found.get("real-time"), "one core": found.get("one-core"), **faults, "killed": killed}
    moved |= {f"episodes of {row['task']}": row for row in _tasks(found, "episodes")}
    wrong += [f"{name}: {row['violations']} violations" for name, row in moved.items() if row and row["violations"]]
    wrong += [f"{name}: the arm does not move again" for name, row in faults.items() if not row["moved_after"]]
    for name, row in found.get("misfortunes", {}).get("misfortunes", {}).items():
        slow = row["rest_after_s"] is None or row["rest_after_s"] > SOON + 1e-6
        unseen = row["faults"] < row["episodes"] and name != PAUSE
        if row["violations"] or slow or unseen or row["again"] < row["episodes"] or row["moved_when_freed"] > FREED:
            wrong.append(f"{name}: violations, no rest within {SOON} s, no fault, or no motion after a reset alone")
    if (schedules := found.get("schedules")) and (schedules["violations"] or schedules["promises_broken"]):
        wrong.append(f"schedules: {schedules['violations']} violations, {schedules['promises_broken']} promises broken")
    wrong += [
        f"false stops of {row['task']}: {row['stops']} in {row['hours']:.2f} h"
        for row in _tasks(found, "false-stops")
        if row["stops"] > max(1.0, row["hours"])
    ]
    for row in _tasks(found, "arrival"):
        if row["violations"]:
            wrong.append(f"arrival of {row['task']}: {row['violations']} violations")
        if row["stayed"] < row["reached"]:
            wrong.append(f"arrival of {row['task']}: {row['reached'] - row['stayed']} did not stay")
    grown = {
        "real time": found.get("real-time"),
        "one core": found.get("one-core"),
        "malformed messages": found.get("malformed"),
    }
    wrong += [
        f"{name}: grown by {row['grown_mb']:.1f} MB" for name, row in grown.items() if row and row["grown_mb"] > GROWTH
    ]
    if (many := found.get("requests")) and many["mb_at_the_end"] - many["mb_at_a_tenth"] > GROWTH:
        wrong.append(f"many requests: grown by {many['mb_at_the_end'] - many['mb_at_a_tenth']:.1f} MB")
    if killed and not (killed["moved_again"] and killed["rest_after_s"] is not None):
        wrong.append("a killed server: the arm does not come to rest, or does not move again")
    if (malformed := found.get("malformed")) and malformed["defects"]:
        wrong.append(f"{malformed['defects']} malformed messages led to a defect")
    if (many := found.get("clients")) and not (many["answered"] == many["asked"] and many["slow_cut_off"]):
        wrong.append("not every client was answered, or the slow one was not cut off")
    return wrong


def _tasks(found: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    return list(found.get(part, {}).get("tasks", []))


def parts(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is measured of each part that `options` leaves in, in turn; each returns its figures."""
    from tools.reliability import episodes, false_stops, faults, misfortunes, schedules, server, soak

    def clients() -> dict[str, Any]:
        many = server.many_clients(options.clients, options.client_requests)
        return {"clients": options.clients, "asked": options.clients * options.client_requests, **many}

    every: dict[str, tuple[float, Callable[[], dict[str, Any]]]] = {
        "real-time": (options.seconds, lambda: soak.soak(options.seconds)),
        "one-core": (options.seconds, lambda: soak.on_one_core(options.seconds)),
        "faults": (
            options.fault_seconds,
            lambda: {"seconds": options.fault_seconds, "faults": faults.all_faults(options.fault_seconds)},
        ),
        "episodes": (
            options.episodes,
            lambda: {"tasks": [episodes.episodes(options.episodes, task) for task in TASKS]},
        ),
        "misfortunes": (
            options.misfortunes,
            lambda: {"misfortunes": misfortunes.all_misfortunes(options.misfortunes)},
        ),
        "schedules": (options.schedules, lambda: schedules.schedules(options.schedules)),
        "false-stops": (
            options.false_stop_hours,
            lambda: false_stops.of_tasks(options.false_stop_hours, misfortunes.TASKS),
        ),
        "arrival": (
            options.arrivals,
            lambda: {"tasks": [misfortunes.arrivals(options.arrivals, task) for task in TASKS]},
        ),
        "killed": (options.restart, server.killed_and_restarted),
        "malformed": (options.malformed, lambda: server.malformed(options.malformed)),
        "clients": (options.clients, clients),
        "requests": (options.requests, lambda: server.many_requests(options.requests)),
    }
    return {part: measure for part, (much, measure) in every.items() if much}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
