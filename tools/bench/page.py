"""Pieces of the page that is written: sections with tables, and what the machine is."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Section:
    """A part of the page, in Markdown, and the numbers behind it, as JSON has them."""

    title: str
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.lines += [text, ""]

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are numbers."""
        self.lines.append(f"| {' | '.join(header)} |")
        self.lines.append("|" + "|".join([" :-- ", *[" --: "] * (len(header) - 1)]) + "|")
        self.lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
        self.lines.append("")

    def markdown(self) -> str:
        """The section as text."""
        return "\n".join([f"## {self.title}", "", *self.lines])


@dataclass(frozen=True)
class Budget:
    """How much is measured. `quick` takes about two minutes."""

    rounds: int
    problems: int
    tuning: int
    threads: tuple[int, ...]
    horizons: tuple[int, ...]
    quality_threads: tuple[int, ...] = (1,)
    peer_samples: int = 300
    peer_iterations: int = 10
    push_problems: int = 50
    contenders: int = 1  # planners of ours whose time to quality is measured in full
    goals: tuple[bool, ...] = (True, False)  # by smooth commands, or by white ones
    curve_budgets: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10000)
    curve_problems: int = 20
    oracle_budgets: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10000)
    oracle_problems: int = 4
    deadline_plans: int = 500
    lewm_iterations: int = 30
    lewm_rounds: int = 3
    training_rounds: int = 11
    training_steps: int = 10


FULL = Budget(rounds=21, problems=50, tuning=8, threads=(1, 2), horizons=(5, 15))
QUICK = Budget(
    rounds=7,
    problems=3,
    tuning=1,
    threads=(1,),
    horizons=(5,),
    push_problems=1,
    goals=(True,),
    curve_budgets=(10, 100, 1000),
    curve_problems=2,
    oracle_budgets=(10, 100),
    oracle_problems=1,
    deadline_plans=5,
    lewm_iterations=1,
    lewm_rounds=1,
    training_rounds=2,
    training_steps=3,
)


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    for package in ("torch", "numpy", "mujoco"):
        found[package] = importlib.metadata.version(package)
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def ms(seconds: float, digits: int = 2) -> str:
    """Seconds as milliseconds."""
    return f"{1e3 * seconds:.{digits}f}"
