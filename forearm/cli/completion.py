"""What a shell proposes for the word that is being typed: commands, settings and their values."""

import argparse
from collections.abc import Iterable
from typing import Any

from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings.reference import keys
from forearm.settings.words import PATHS

ROBOT_CHECK = "robot-check"
"""The settings of the command `robot`, whose name is a group's."""


def script(shell: str) -> str:
    """What `shell` has to read once, so that it asks for proposals: `eval "$(forearm --shell-completion bash)"`."""
    import argcomplete

    return argcomplete.shellcode(["forearm"], shell=shell)


def complete(parser: argparse.ArgumentParser) -> None:
    """Tell the shell that asked, by the variable _ARGCOMPLETE, and end the process."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False)


def completer(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The words that begin with `prefix`, for the settings of the command in `parsed_args`."""
    words = [word for word in parsed_args.settings or [] if word != prefix]
    config = ROBOT_CHECK if parsed_args.command == "robot" else parsed_args.command
    try:
        chosen = settings.load(config, words)
    except ForearmError:
        chosen = settings.load(config)
    key, equals, text = prefix.partition("=")
    found = [f"{key}={value}" for value in _values(chosen, key, text)] if equals else list(_keys(chosen, prefix))
    return [word for word in found if word.startswith(prefix)]


def _keys(chosen: settings.Settings, prefix: str) -> Iterable[str]:
    """Every setting, with its sign of equality; those of tasks and planners once their group has been typed."""
    yield from (f"{key}=" for key in (*chosen.groups, *settings.leaves(chosen.values)))
    for group, options in chosen.groups.items():
        if prefix.startswith(f"{group}."):
            for config in options.values():
                yield from (f"{group}.{key}=" for key in settings.leaves(config))


def _values(chosen: settings.Settings, key: str, text: str) -> Iterable[str]:
    """What `key` may be; in a list, for its last item."""
    if key in chosen.groups:
        typed = text[: max(text.rfind("["), text.rfind(",")) + 1]
        return [typed + name for name in settings.options(key)]
    group = key.partition(".")[0]
    config = f"{group}={next(iter(chosen.all(group)))}" if group in chosen.groups else chosen.command
    kind = next((setting.type for setting in keys(config) if setting.name == key), "")
    if key.rpartition(".")[2] in PATHS:
        from argcomplete.completers import FilesCompleter

        return [str(path) for path in FilesCompleter()(text)]
    return ["true", "false"] if kind == "bool" else ["null"] if kind.endswith("| null") else []
