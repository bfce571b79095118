"""The command `forearm`: sub-commands that take `key=value` settings.

Only the sub-command that was asked for is imported, so `forearm --help` is quick.
"""

import argparse
import gc
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn

from forearm.cli.commands import COMMANDS, SWEPT
from forearm.common.addresses import told
from forearm.common.version import VERSION
from forearm.errors import ForearmError, debugging, did_you_mean, one_line, user_message

DEFECT = 1
USER_ERROR = 2
INTERRUPTED = 130
SHELLS = ("bash", "zsh", "fish", "powershell")
MULTIRUN = "one job for each combination of values: seed=1,2 planner=cem,mppi"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing its usage as well."""

    def error(self, message: str) -> NoReturn:
        raise ForearmError(f"{one_line(message)}; see '{self.prog} --help'")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, for `main` and for documentation."""
    parser = _Parser(
        prog="forearm",
        description="Looks before it moves: plans robot-arm commands in a learned world model.",
        epilog="'forearm COMMAND --help' shows examples and settings. FOREARM_DEBUG=1 shows tracebacks.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument(
        "--shell-completion",
        "-sc",
        metavar="SHELL",
        choices=[word for shell in SHELLS for word in (shell, f"install={shell}")],
        help=f'print what completes words in {", ".join(SHELLS)}: eval "$(forearm -sc bash)"',
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        words = sub.add_argument("settings", nargs="*", metavar="key=value", help="settings; COMMAND --help shows them")
        words.completer = _completer  # type: ignore[attr-defined]
        if name in SWEPT:
            sub.add_argument("--multirun", "-m", action="store_true", help=MULTIRUN)
        if name in (*SWEPT, "serve", "mcp", "ros2", "manifest"):
            sub.add_argument("--cfg", "-c", choices=["job"], help="show the settings as YAML instead of running")
            sub.add_argument("--package", "-p", metavar="KEY", help="with --cfg: only these, such as planner")
    return parser


def _completer(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from forearm.cli.completion import completer

    return completer(prefix, parsed_args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv` (default: the process's own) and return its exit code.

    0: done; 1: done, and the answer is no (`doctor`), or a defect of ours; 2: an error the user can mend;
    130: interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except KeyboardInterrupt as stop:
        _complain(str(stop) or "interrupted; finished parts are kept")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`forearm list | head`): nothing is left to say or flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debugging():
            raise
        message = user_message(error)
        if message is None:
            name = type(error).__name__
            _complain(f"a defect: {name}: {one_line(error)}; FOREARM_DEBUG=1 shows where")
            return DEFECT
        _complain(message)
        return USER_ERROR


def _dispatch(words: list[str]) -> int:
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:
        from forearm.cli.completion import complete

        complete(parser)
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in COMMANDS and words[0] not in ("--shell-completion", "-sc"):
        raise ForearmError(f"unknown command '{first}'{did_you_mean(first, COMMANDS)}")
    if first is not None and {"-h", "--help"} & set(words) and COMMANDS[first].config:
        _print_help(parser, first)
        return 0
    try:
        arguments, rest = parser.parse_known_args(words)
    except SystemExit as stop:  # argparse leaves this way after it has printed a help page
        return int(stop.code or 0)
    if not all(arguments.command and "=" in word and word[0] != "-" for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if arguments.shell_completion:
        from forearm.cli.completion import script

        _say(script(arguments.shell_completion.removeprefix("install=")))
        return 0
    if arguments.version:
        _say(f"forearm {VERSION}")
        return 0
    if arguments.command is None:
        parser.print_help()
        return 0
    command = COMMANDS[arguments.command]
    if not command.config and arguments.settings:
        raise ForearmError(f"'{arguments.command}' takes no settings, but got '{arguments.settings[0]}'")
    settings = [*arguments.settings, *rest]  # argparse leaves those behind an option
    if getattr(arguments, "cfg", None):
        from forearm.cli.hydra_options import shown

        _say(shown(arguments.command, settings, arguments.package))
        return 0
    run = _imported(command.module).main
    if getattr(arguments, "multirun", False):
        from forearm.cli.hydra_options import multirun

        return multirun(arguments.command, settings, lambda job: _settled(run, job), _say)
    return _settled(run, settings)


def _settled(run: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Run a command, and send what is left of its results."""
    try:
        code = int(run(words))
    except BaseException:
        _settle(quietly=True)
        raise
    _settle()
    return code


def _settle(quietly: bool = False) -> None:
    """Send what is left of results at an address."""
    if (stored := sys.modules.get("forearm.common.stored")) is not None:
        stored.settle(quietly)


def _imported(name: str) -> ModuleType:
    """The module; what its imports make stays, so looking through it for garbage would only cost a quarter more."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _print_help(parser: argparse.ArgumentParser, name: str) -> None:
    """A sub-command's help, with every setting, its default and what it means."""
    from importlib.resources import files

    from forearm.settings.reference import keys
    from forearm.settings.words import written

    _say(f"usage: forearm {name} [key=value ...]\n\n{COMMANDS[name].summary}\n\nexamples:")
    for example in COMMANDS[name].examples:
        _say(f"  {example}")
    if name in SWEPT:
        _say(
            f"\n-m, --multirun  {MULTIRUN}\n-c, --cfg job   show the settings instead of running; --package KEY: a part"
        )
    _say("\nsettings and their defaults:")
    text = (files("forearm.configs") / f"{COMMANDS[name].config}.yaml").read_text(encoding="utf-8")
    for group, default in re.findall(r"^  - (\w+): (\S+)$", text, re.M):
        _say(f"  {group}: {default}    # its own settings: {group}.KEY=VALUE, see configs/{group}/")
    for key in keys(str(COMMANDS[name].config)):
        setting = f"{key.name}: {written(key.default)}"
        _say(f"  {setting:<24}  # {key.meaning.replace('`', '')}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(message: str) -> None:
    sys.stderr.write(f"forearm: {told(message)}\n")
