"""Configs composed by Hydra without its global instance, which may be that of the program that we are part of.

Hydra's words for a choice and for a folder are a small language of their own. Here folders are handed over as such, and
names in quotes, so that both may have any letters.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError, one_line

BASE = "1.3"
"""The version of Hydra whose rules the configs follow, whatever newer one is installed."""
_LOCK = threading.RLock()


def compose(command: str, choices: Mapping[str, str], folders: Sequence[Path]) -> dict[str, Any]:
    """The config of `command` with the named option of each group in `choices`, as plain containers.

    `folders` are searched after the configs of this package. Raises `ForearmError` for configs that cannot be read, or
    do not fit together.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import CachingConfigRepository
    from hydra._internal.defaults_list import create_defaults_list
    from hydra._internal.utils import create_config_search_path
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Quote, QuotedString
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    overrides = [f"{group}={QuotedString(name, Quote.single).with_quotes()}" for group, name in choices.items()]
    with _LOCK, _rules():
        search = create_config_search_path("pkg://forearm.configs")
        for folder in folders:
            # Before the last one, which Hydra keeps for schemas.
            search.get_path().insert(-1, type(search.get_path()[-1])("own", f"file://{folder}"))
        try:
            loader = ConfigLoaderImpl(search)
            files = CachingConfigRepository(loader.repository)
            parsed = OverridesParser.create().parse_overrides(overrides)
            # Without Hydra's own settings, of jobs and logging, which take ten times as long as ours.
            listed = create_defaults_list(files, command, parsed, prepend_hydra=False, skip_missing=False)
            config = loader._compose_config_from_defaults_list(listed.defaults, files)
            config.pop("hydra", None)
            resolved: Any = OmegaConf.to_container(config, resolve=True)
        except (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
            raise ForearmError(_told(command, choices, error)) from None
    return {str(key): value for key, value in resolved.items()}


@contextmanager
def _rules() -> Iterator[None]:
    """Inside, Hydra follows the rules of `BASE`; after, those that it followed before."""
    from hydra import version

    base = version.VersionBase.instance()
    before = base.version_base
    version.setbase(BASE)
    try:
        yield
    finally:
        base.version_base = before


def _told(command: str, choices: Mapping[str, str], error: Exception) -> str:
    """What to say of configs that make no config."""
    for name in choices.values():
        if "${" in name:
            return f"Hydra takes '${{' for the beginning of a reference, so it cannot be part of '{name}': rename it"
    what = " ".join(f"{group}={name}" for group, name in choices.items())
    reasons = [one_line(part) for part in (error, error.__cause__) if part is not None and str(part).strip()]
    why = reasons[0] if reasons else type(error).__name__
    of = f", {what}," if what else ""
    return f"the configs of '{command}'{of} do not fit together: {why}"
