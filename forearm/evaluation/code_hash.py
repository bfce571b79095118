"""The code that decides how episodes go, as one hash: what was run with other code is run again."""

import ast
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

ROOMS = ("planner", "world_model", "envs", "agent", "evaluation", "common")
SHOWING = (
    *(f"evaluation/{name}.py" for name in ("bootstrap", "comparison", "film", "labels", "merging", "power")),
    *(f"evaluation/{name}.py" for name in ("results", "statistics", "table", "vary_picture", "verdicts")),
    *(f"common/{name}.py" for name in ("files", "progress", "version")),
)
"""What only counts, writes or shows how they went."""


@cache
def code_sha256(*more: str) -> str:
    """Hash of what the code of `ROOMS`, and of `more` folders of forearm, does; words about it do not count."""
    digest = hashlib.sha256()
    for room in (*ROOMS, *more):
        folder = Path(str(files(f"forearm.{room}")))
        for path in sorted(folder.rglob("*.py")):
            name = f"{room}/{path.relative_to(folder).as_posix()}"
            if name not in SHOWING:
                digest.update(f"{name}\0{without_words(path.read_text(encoding='utf-8'))}\0".encode())
    return digest.hexdigest()


def without_words(source: str) -> str:
    """The source of a module without comments and docstrings, laid out in one way."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_words(statement)]
    return ast.unparse(tree)


def _is_words(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
