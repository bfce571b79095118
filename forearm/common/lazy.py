"""Public names of a package that are imported when somebody asks for them: torch and MuJoCo take seconds."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lazy_loader


def attach(
    package: str, names: Mapping[str, Sequence[str]], renamed: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        names: of its modules, with what each of them gives to the package.
        renamed: old names, which work with a `DeprecationWarning`, and what they are called now.
    """
    load, _, lazy = lazy_loader.attach(package, submod_attrs=names)
    old = renamed or {}

    def attribute(name: str) -> Any:
        if name not in old:
            return load(name)
        words = f"{package}.{name} is now {package}.{old[name]}; the old name goes with 0.2"
        warnings.warn(words, DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[package], old[name])

    return attribute, lambda: sorted({*vars(sys.modules[package]), *lazy})
