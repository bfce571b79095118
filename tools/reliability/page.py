"""docs/reliability.md, from what was measured."""

import os
import platform
from typing import Any


def page(found: dict[str, Any]) -> str:
    """The whole page; a section for each part that was run."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        "# Reliability",
        "",
        "What a controller and a server do under load and with bad input. Written by the commands below, not by hand.",
        "A violation is a command, or a step from one command to the next,",
        "beyond a limit of `configs/robot/panda.yaml`: position, velocity, acceleration, jerk, workspace or clearance.",
        "",
        f"| part | command ({machine}) | date | load average when it began |",
        "|---|---|---|---|",
    ]
    for part, run in found["runs"].items():
        lines.append(f"| {part} | `{run['command']}` | {run['date']} | {run['load']:.1f} |")
    if soak := found.get("soak"):
        lines += _soak(soak)
    if faults := found.get("faults"):
        lines += _faults(faults, found["fault_seconds"])
    if episodes := found.get("episodes"):
        lines += _episodes(episodes)
    if misfortunes := found.get("misfortunes"):
        lines += _misfortunes(misfortunes)
    if arrivals := found.get("arrivals"):
        lines += _arrivals(arrivals)
    if server := found.get("server"):
        lines += _server(server)
    return "\n".join(lines) + "\n"


def _soak(soak: dict[str, Any]) -> list[str]:
    counts = soak["counts"]
    return [
        "",
        "## In real time",
        "",
        "`--only real-time`",
        "",
        f"A simulated arm takes 100 commands a second for {soak['seconds']:.0f} s and is seen 10 times a second.",
        "It is a process of its own that draws its camera itself and keeps its own beat, half a beat off. Another",
        "process calls the controller, which plans in a thread of that process, with a new goal every 8 s.",
        "",
        "| | |",
        "|---|---|",
        f"| commands | {soak['commands']} |",
        f"| limit violations | {soak['violations']} |",
        f"| a beat begins late by, p50 / p99 / max | {_ms(soak, 'late')} ms |",
        f"| beats late by a whole period or more | {soak['missed']} |",
        f"| from a beat to its command sent, p50 / p99 / max | {_ms(soak, 'act')} ms |",
        f"| age of the command that the arm takes at its own beats, p50 / p99 / max | {_ms(soak, 'age')} ms |",
        f"| the arm's own beats begin late by, p50 / p99 / max | {_ms(soak, 'robot_late')} ms |",
        f"| share of the time in motion | {soak['moving']:.0%} |",
        f"| plans, of which late / shaped / cut / refused | {_plans(counts)} |",
        f"| memory grown after the first 10 s | {soak['grown_mb']:.1f} MB |",
    ]


def _faults(faults: dict[str, dict[str, Any]], seconds: float) -> list[str]:
    lines = [
        "",
        "## With bad input",
        "",
        "`--only faults`",
        "",
        f"In simulated time: 4 s without a fault, {seconds:g} s with it, 4 s without.",
        "",
        "| fault | violations | in motion or at the goal during it | moves again after it | stops | counted |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in faults.items():
        counts = row["counts"]
        kinds = ("duplicate", "out_of_order", "bad_frame", "bad_readings", "frames_skipped")
        said = ", ".join(f"{counts[kind]} {kind.replace('_', ' ')}" for kind in kinds if kind in counts) or "nothing"
        again = "yes" if row["moved_after"] else "**no**"
        stops = counts.get("stale", 0)
        lines.append(f"| {name} | {row['violations']} | {row['moving']:.0%} | {again} | {stops} | {said} |")
    return lines


def _episodes(episodes: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## Episodes",
        "",
        "`--only episodes`",
        "",
        "The held-out episodes of seed 2, in simulated time, through the controller: each plan begins 0.2 s after its",
        "frame and is shaped and checked.",
        "",
        "| task | solved | violations |",
        "|---|---|---|",
    ]
    return lines + [
        f"| {row['task']} | {row['solved']} of {row['episodes']} | {row['violations']} |" for row in episodes
    ]


def _misfortunes(rows: dict[str, dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## When the world is wrong",
        "",
        "`--only misfortunes`",
        "",
        "In simulated time, under an arm of push in motion; two seconds later a reset. Limits are judged by when",
        "commands were sent, not by what the clock said.",
        "",
        "| what happens | episodes | violations | at rest after, at most | a fault | moves again after a reset |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        rest = "never" if row["rest_after_s"] is None else f"{row['rest_after_s']:.2f} s"
        said = f"{row['episodes']} | {row['violations']} | {rest} | {row['faults']} | {row['again']}"
        lines.append(f"| {name} | {said} |")
    return lines


def _arrivals(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## Arrival",
        "",
        "`--only arrival`",
        "",
        "The held-out episodes of seed 4, each for 10 s after the status says `reached`.",
        "",
        "| task | within the radius at some time | `reached` | … and still within it for 10 s | farthest since |",
        "|---|---|---|---|---|",
    ]
    return lines + [
        f"| {row['task']} | {row['solved']} of {row['episodes']} | {row['reached']} | {row['stayed']} "
        f"| {1000 * row['worst_m']:.0f} mm |"
        for row in rows
    ]


def _server(server: dict[str, Any]) -> list[str]:
    parts = ", ".join(f"`--only {part}`" for part in ("killed", "malformed", "clients", "requests") if part in server)
    lines = ["", "## The server", "", f"In this order: {parts}.", "", "| | |", "|---|---|"]
    if killed := server.get("killed"):
        rest = "never" if killed["rest_after_s"] is None else f"{killed['rest_after_s']:.2f} s"
        again = "yes" if killed["moved_again"] else "**no**"
        lines.append(f"| killed under an arm in motion: at rest after | {rest} |")
        lines.append(f"| … moves again when a server is back; violations | {again}; {killed['violations']} |")
    if malformed := server.get("malformed"):
        total = malformed["answered"] + malformed["ended"]
        said = f"{malformed['answered']} / {malformed['ended']}"
        lines.append(f"| {total} malformed messages: answered / ended the connection | {said} |")
        lines.append(f"| … that the server had no answer to (a defect) | {malformed['defects']} |")
        lines.append(f"| … memory grown, more threads | {malformed['grown_mb']:.1f} MB, {malformed['more_threads']} |")
    if clients := server.get("clients"):
        lines.append(
            f"| {clients['clients']} clients at once, beside one that never reads: answered | {clients['answered']} |"
        )
        lines.append(f"| … the one that never reads was cut off | {'yes' if clients['slow_cut_off'] else '**no**'} |")
        lines.append(f"| … plans a second | {clients['per_second']:.1f} |")
        lines.append(f"| … ms from request to reply, p50 / p95 | {clients['ms_p50']:.0f} / {clients['ms_p95']:.0f} |")
    if requests := server.get("requests"):
        hours = requests["requests"] * 0.2 / 3600
        lines.append(f"| {requests['requests']} requests of small searches, as many as an arm that plans every 0.2 s "
                     f"asks in {hours:.1f} h: MB after a tenth, at the end | "
                     f"{requests['mb_at_a_tenth']:.1f}, {requests['mb_at_the_end']:.1f} |")  # fmt: skip
        lines.append(f"| … a second | {requests['per_second']:.0f} |")
    return lines


def _ms(soak: dict[str, Any], name: str) -> str:
    return " / ".join(f"{soak[f'{name}_ms_{which}']:.2f}" for which in ("p50", "p99", "max"))


def _plans(counts: dict[str, int]) -> str:
    kinds = ("plans_late", "plans_shaped", "plans_cut", "plans_refused")
    return f"{counts.get('plans', 0)}, " + " / ".join(str(counts.get(kind, 0)) for kind in kinds)
