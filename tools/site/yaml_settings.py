"""Settings as the files of configs/ say them, with their comments as meanings."""

import re
from collections.abc import Iterator
from pathlib import Path

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?:\s+(?P<value>[^#\n]*?))?\s*(?:#\s*(?P<meaning>.*))?$")


def keys_of(path: Path) -> Iterator[tuple[str, str, str]]:
    """Dotted name, default and meaning of every setting of a config file, in its order."""
    parents: list[tuple[int, str]] = []
    in_defaults = False
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if line.startswith("defaults:"):
            in_defaults = True
            continue
        if not found or (in_defaults and line.startswith("  ")):
            continue
        in_defaults = False
        indent, key = len(found["indent"]), found["key"]
        while parents and parents[-1][0] >= indent:
            parents.pop()
        name = ".".join([*(parent for _, parent in parents), key])
        value, meaning = (found["value"] or "").strip(), (found["meaning"] or "").strip()
        parents.append((indent, key))
        if value or meaning:
            yield name, value, meaning
