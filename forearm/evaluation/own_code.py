"""The code of the modules that a user names with `use=`, as one hash: what was run with other code is run again."""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from forearm.errors import ForearmError
from forearm.evaluation.code_hash import without_words

INSTALLED = tuple(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))


def own_code_sha256(modules: Sequence[str]) -> str:
    """Hash of the files of `modules` and of all that they import from the folder in which they were found.

    Words about it and layout do not count. Of a package that is installed, what it imports of itself counts.

    Raises `ForearmError` for a module that is not found.
    """
    digest = hashlib.sha256()
    for name, sha256 in sorted({(name, sha256) for module in modules for name, sha256, _, _ in _parts(module)}):
        digest.update(f"{name}\0{sha256}\0".encode())
    return digest.hexdigest()


def own_code_files(modules: Sequence[str]) -> dict[str, Path]:
    """The same files, by their places relative to the folder in which their module was found; not what is installed.

    Raises `ForearmError` for a module that is not found.
    """
    found = [(path, root) for module in modules for _, _, path, root in _parts(module) if root not in INSTALLED]
    return {path.relative_to(root).as_posix(): path for path, root in sorted(found)}


def _parts(module: str) -> Iterator[tuple[str, str, Path, Path]]:
    """A module and what it imports of its own folder: names, hashes, files, and that folder."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ForearmError(f"use={module}: there is no such module; it must be on PYTHONPATH or in the current folder")
    if spec.origin is None or not Path(spec.origin).is_file():
        return
    origin, parts = Path(spec.origin), module.split(".")
    root = origin.parents[len(parts) if spec.submodule_search_locations else len(parts) - 1]
    if origin.suffix != ".py":  # compiled
        yield module, hashlib.sha256(origin.read_bytes()).hexdigest(), origin, root
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or top == "forearm" or (root in INSTALLED and top != parts[0]):
            continue
        seen.add(name)
        path = root.joinpath(*name.split("."))
        package = (path / "__init__.py").is_file()
        file = path / "__init__.py" if package else path.with_name(f"{path.name}.py")
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        if file.is_file():
            sha256, imported = _read(file.read_text(encoding="utf-8"), name if package else name.rpartition(".")[0])
            yield name, sha256, file, root
            waiting += imported


@lru_cache(1024)
def _read(source: str, package: str) -> tuple[str, tuple[str, ...]]:
    """The hash of a module of `package`, and the names of what it may import."""
    sha256 = hashlib.sha256(without_words(source).encode()).hexdigest()
    return sha256, tuple(_imports(ast.parse(source), package))


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Names of all that a module of `package` may mean to import, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*within, *filter(None, [node.module])])
            yield from (name for name in (base, *(f"{base}.{alias.name}" for alias in node.names)) if name)
