"""Links from pages to places in the code: `[CEM.update](../../planner/algorithms/cem.py#L79-L86)`.

The text of such a link names what stands there, so the lines are found again when the code has moved:

    python -m tools.site.links            # say which links are out of date
    python -m tools.site.links --write    # and mend them
"""

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]+))?\)")
MADE = ROOT / "docs" / "reference" / "settings"
"""Pages that are made while the site is built."""
_BLOCK = re.compile(r"^(```.*?^```\n?)", re.S | re.M)
LINES = re.compile(r"L(\d+)(?:-L(\d+))?")


@dataclass(frozen=True)
class Link:
    """One link of a page: `path` is what it leads to, `anchor` what follows the '#', "" for none."""

    page: Path
    text: str
    target: str
    anchor: str

    @property
    def path(self) -> Path:
        """Where the link leads to, seen from its page."""
        return (self.page.parent / self.target).resolve() if self.target else self.page

    @property
    def symbol(self) -> str:
        """The dotted name that the text gives in backquotes, "" where it gives none."""
        found = re.fullmatch(r"`([A-Za-z_][\w.]*)(?:\(\))?`", self.text)
        return found[1] if found else ""


def pages(root: Path = ROOT) -> list[Path]:
    """The README, the guide for contributors, and every page under docs/."""
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]


def outside_of_blocks(markdown: str, change: Callable[[str], str]) -> str:
    """The page with everything changed but its fenced blocks of code."""
    parts = _BLOCK.split(markdown)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def links_of(page: Path) -> Iterator[Link]:
    """Every link of a page to a file, outside of code blocks."""
    for found in LINK.finditer(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in found["target"] and not found["target"].startswith("mailto:"):
            yield Link(page, found["text"], found["target"], found["anchor"] or "")


def lines_of(path: Path, symbol: str) -> tuple[int, int] | None:
    """First and last line of a class, function, method or constant in a file of Python; None where it has none."""
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    node: ast.stmt | None = None
    for part in symbol.split("."):
        node = next((each for each in body if part in _names(each)), None)
        if node is None:
            return None
        body = getattr(node, "body", [])
    assert node is not None
    return node.lineno, node.end_lineno or node.lineno


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def expected(link: Link) -> str | None:
    """The anchor that a link to a named piece of Python should have; None for every other link.

    Raises `ValueError` for a name that the file does not have.
    """
    if not link.symbol or link.path.suffix != ".py" or not LINES.fullmatch(link.anchor):
        return None
    found = lines_of(link.path, link.symbol)
    if found is None:
        raise ValueError(f"{link.page.name}: {link.target} has no '{link.symbol}'")
    return f"L{found[0]}-L{found[1]}"


def main() -> int:
    """Check the links to lines of code, or write them anew; 1 where one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.links")
    parser.add_argument("--write", action="store_true", help="mend what is out of date")
    write = parser.parse_args().write
    wrong = 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for link in links_of(page):
            if not link.path.exists() and MADE not in link.path.parents:
                sys.stderr.write(f"{page.name}: {link.target} does not exist\n")
                wrong += 1
                continue
            try:
                anchor = expected(link)
            except ValueError as error:
                sys.stderr.write(f"{error}\n")
                wrong += 1
                continue
            if anchor not in (None, link.anchor):
                sys.stderr.write(f"{page.name}: `{link.symbol}` is at {anchor}, not {link.anchor}\n")
                start = f"[{link.text}]({link.target}#"
                text = text.replace(f"{start}{link.anchor})", f"{start}{anchor})")
                wrong += not write
        if write:
            page.write_text(text, encoding="utf-8")
    if wrong:
        sys.stderr.write("links: 'make format' finds lines again; what is gone must be written anew\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
