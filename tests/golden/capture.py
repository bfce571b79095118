"""What the product computes, kept so that a change of layout or names can be shown to change nothing else.

    python -m tests.golden.capture ENTRY ...   captures these entries again; in a name * stands for anything
    python -m tests.golden.capture --list      lists them

Capture an entry again only when what it holds changed on purpose, and name it in the commit's message. To move code is
no such reason. What an entry holds is written in the docstring of its function. `tests.golden.difference` shows what
lies behind a hash that is another one.

Everything is the same to the bit between x86-64 processors, whatever vector units they have, and between numbers of
cores. A process of its own computes it, on one thread, with the arithmetic of the baseline (see `pinned.PINS`).
Convolutions are torch's own, as oneDNN cuts them up by the size of the caches, and elementary functions numpy's (see
`elementary`). So a value is that of the product's code, not of its fastest kernels. Frames are stored here or drawn
from true positions by `drawing`, so that no GL library has a say.

Entries in `EXACT` are texts and settings. Those in `NUMERIC` are compared only beside the releases of libraries with
which they were captured, the C library among them: another release may round differently.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from tests.golden import commands, models, pinned, planners, worlds

FILE = Path(__file__).with_name("golden.json")

EXACT: dict[str, Callable[[], Any]] = {
    **{f"defaults/{name}": partial(planners.defaults_of, name) for name in planners.NAMES},
    **{f"settings/{config}": partial(commands.settings_of, config) for config in commands.CONFIGS},
    "settings/options": commands.every_option,
    "settings/every task": commands.every_task,
    "help": commands.helps,
    "mistakes": commands.mistakes,
}
NUMERIC: dict[str, Callable[[], Any]] = {
    **{f"planner/{name}": partial(planners.plans_of, name) for name in planners.NAMES},
    "policies": planners.policies,
    "checkpoints": models.checkpoints,
    **{f"plan/{task}": partial(models.plans_of, task) for task in models.TASKS},
    "controller": models.controller,
    "serve": models.server,
    "compare/reach": partial(worlds.compared, "reach"),
    "compare/push": partial(worlds.compared, "push"),
    "collect/push": partial(worlds.collected, "push"),
    "collect/reach": partial(worlds.collected, "reach"),
    "train": worlds.trained,
    "plan command": worlds.planned,
}
ENTRIES = EXACT | NUMERIC


def stored() -> dict[str, Any]:
    """The document with all golden values."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {"made_with": {}, "entries": {}}


def comparable() -> bool:
    """Whether the libraries here are the releases with which numeric entries were captured."""
    return bool(stored()["made_with"] == pinned.made_with())


def write(found: dict[str, Any]) -> None:
    """Keep captured entries beside those that are stored."""
    document = stored()
    entries = {name: value for name, value in document["entries"].items() if name in ENTRIES} | found
    made_with = pinned.made_with() if set(found) & set(NUMERIC) else document["made_with"]
    kept = {"made_with": made_with, "entries": entries}
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def inside(entries: list[str]) -> dict[str, Any]:
    """Compute entries in this process, whose arithmetic must be pinned."""
    import torch

    from tests.golden.elementary import override

    override()
    torch.backends.mkldnn.set_flags(False)
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in entries:
        torch.manual_seed(0)
        begun = time.perf_counter()
        try:
            found[name] = json.loads(json.dumps(ENTRIES[name]()))
        except Exception:
            found[name] = {"failed": traceback.format_exc()}
        sys.stderr.write(f"{name}: {time.perf_counter() - begun:.1f} s\n")
    return found


def main(words: list[str]) -> int:
    """Capture again what is named."""
    if words[:1] == ["--inside"]:
        Path(words[1]).write_text(json.dumps(inside(words[2:])), encoding="utf-8")
        return 0
    if not words or words == ["--list"]:
        sys.stdout.write("\n".join(ENTRIES) + "\n")
        return 0
    wanted = [name for name in ENTRIES if any(fnmatch(name, word) for word in words)]
    unknown = [word for word in words if not any(fnmatch(name, word) for name in ENTRIES)]
    if unknown:
        sys.stderr.write(f"no entry {unknown[0]!r}; --list shows them\n")
        return 2
    older = not comparable() and bool(stored()["entries"])
    if older and set(wanted) & set(NUMERIC) and not set(wanted) >= set(NUMERIC):
        sys.stderr.write(f"all or none of {', '.join(NUMERIC)} with other releases of libraries\n")
        return 2
    found = pinned.captured(wanted)
    failed = [name for name, value in found.items() if isinstance(value, dict) and "failed" in value]
    for name in failed:
        sys.stderr.write(f"{name}:\n{found[name]['failed']}\n")
    if failed:
        return 1
    before = stored()["entries"]
    for name in wanted:
        said = "new" if name not in before else "as before" if before[name] == found[name] else "changed"
        sys.stdout.write(f"{name}: {said}\n")
    write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
