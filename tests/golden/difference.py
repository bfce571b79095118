"""How an entry differs from what another commit computes for it.

    python -m tests.golden.difference COMMIT ENTRY ...   in a name * stands for anything

Golden values are mostly hashes. This computes entries twice, by the working tree and by COMMIT, and shows what would be
hashed as a unified diff: settings by key, plans by number. COMMIT must have this module.
"""

import difflib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.golden.capture import ENTRIES
from tests.golden.pinned import ROOT, captured


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """A unified diff for each part of an entry whose value is another one; empty when there is none."""
    found: list[str] = []
    for entry in {**before, **now}:
        old, new = before.get(entry, {}), now.get(entry, {})
        for part in {**old, **new}:
            a, b = (_lines(values[part]) if part in values else [] for values in (old, new))
            found += difflib.unified_diff(a, b, f"{entry}: {part} (before)", f"{entry}: {part} (now)", lineterm="", n=4)
    return "".join(f"{line}\n" for line in found)


def _lines(value: Any) -> list[str]:
    return (value if isinstance(value, str) else repr(value)).splitlines()


def at(commit: str, entries: Sequence[str]) -> dict[str, Any]:
    """What `commit` computes for entries; raises CalledProcessError when git does not know it."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "tree.tar"
        subprocess.run(["git", "archive", "-o", str(packed), commit], cwd=ROOT, check=True)
        tree = Path(folder) / "tree"
        with tarfile.open(packed) as archive:
            archive.extractall(tree, filter="data")
        subprocess.run(["bash", "scripts/link_rooms.sh"], cwd=tree, check=True)
        return captured(entries, root=tree, whole=True)


def main(words: Sequence[str]) -> int:
    """Show the differences; 1 if there are any."""
    wanted = [name for name in ENTRIES if any(fnmatch(name, word) for word in words[1:])]
    if not wanted:
        sys.stderr.write("python -m tests.golden.difference COMMIT ENTRY; tests.golden.capture --list shows entries\n")
        return 2
    try:
        before = at(words[0], wanted)
    except subprocess.CalledProcessError:
        return 2  # git has said why
    shown = differences(before, captured(wanted, whole=True))
    sys.stdout.write(shown)
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
