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
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

from forearm.common.addresses import told
from forearm.common.version import VERSION
from forearm.errors import ForearmError, debugging, did_you_mean, one_line, user_message

DEFECT = 1
USER_ERROR = 2
INTERRUPTED = 130
SHELLS = ("bash", "zsh", "fish", "powershell")
SWEPT = (
    "plan",
    "imagine",
    "run",
    "compare",
    "diagnose",
    "pools",
    "collect",
    "practice",
    "learn",
    "train",
    "train-heads",
)
"""Commands whose settings may be given several values."""
MULTIRUN = "one job for each combination of values: seed=1,2 planner=cem,mppi"


@dataclass(frozen=True)
class Subcommand:
    """One sub-command: where its `main(overrides) -> int` lives, and its help."""

    module: str
    summary: str
    examples: tuple[str, ...]
    config: str | None = None


COMMANDS: dict[str, Subcommand] = {
    "list": Subcommand("forearm.cli.list", "tasks, planners, checkpoints and protocols", ("forearm list",)),
    "plan": Subcommand(
        "forearm.cli.plan",
        "one plan from a start frame and a goal frame; nothing moves",
        (
            "forearm plan task=push start=a.png goal=b.png planner=cem out=plan.json",
            "forearm plan task=reach seed=3 planner.samples=400",
            "forearm plan task=push format=joint_trajectory out=trajectory.yaml",
        ),
        "plan",
    ),
    "imagine": Subcommand(
        "forearm.cli.imagine",
        "what the world model expects of any commands, as pictures; nothing moves",
        (
            "forearm imagine task=push actions=plan.json seed=3 real=true",
            "forearm imagine task=reach start=a.png goal=b.png 'actions=[[1,0,0,0],[1,0,0,0]]' picture=imagined.mp4",
        ),
        "imagine",
    ),
    "run": Subcommand(
        "forearm.cli.run",
        "closed loop in the simulator, with a film of every episode",
        (
            "forearm run task=push planner=mppi episodes=3",
            "forearm run task=reach dynamics=oracle out=outputs/ceiling",
        ),
        "run",
    ),
    "compare": Subcommand(
        "forearm.cli.compare",
        "planners on the same episodes, with floors, ceilings and error bars",
        (
            "forearm compare task=[reach,push] planner=[cem,mppi,random_shooting] episodes=50 seed=0",
            "forearm compare task=push planner=[cem,mppi] cem.samples=100 oracle=true oracle_episodes=20",
            "forearm compare task=push planner.horizon=8,12 seed=0,1 budget=evaluations:500",
            "forearm compare manifest=push.json planner=[cem,mppi]",
            "forearm compare here/results.json there/results.json out=outputs/both",
        ),
        "compare",
    ),
    "report": Subcommand(
        "forearm.cli.report",
        "results of a comparison as a page to look at, or a table: CSV, LaTeX, Markdown",
        (
            "forearm report outputs/compare/results.json",
            "forearm report outputs/compare/results.json format=latex out=table.tex",
        ),
        "report",
    ),
    "manifest": Subcommand(
        "forearm.cli.manifest",
        "episodes for comparisons: start states, goals, seeds and a hash",
        ("forearm manifest task=push protocol=rest episodes=100 seed=1 out=push.json",),
        "manifest",
    ),
    "diagnose": Subcommand(
        "forearm.cli.diagnose",
        "why a planner fails: latents, cost, dynamics, candidates or distance",
        (
            "forearm diagnose task=pick_place planner=cem episodes=20",
            "forearm diagnose task=fetch/push planner=guided samples=null iterations=null",
        ),
        "diagnose",
    ),
    "pools": Subcommand(
        "forearm.cli.pools",
        "candidates of plans, carried out: for a ranking, and the margin of a gate",
        ("forearm pools task=pick_place planner=guided episodes=40 seed=11 out=outputs/pools",),
        "pools",
    ),
    "serve": Subcommand(
        "forearm.cli.serve",
        "plans over a websocket, for forearm's client or openpi's",
        (
            "forearm serve task=push",
            "forearm serve task=push goals=goals/ host=0.0.0.0 token_file=token.txt tls_cert=cert.pem tls_key=key.pem",
        ),
        "serve",
    ),
    "mcp": Subcommand(
        "forearm.cli.mcp",
        "tools for language models and other agents (Model Context Protocol)",
        (
            "forearm mcp task=push",
            "forearm mcp task=push transport=http goals=goals/ allow_motion=true",
        ),
        "mcp",
    ),
    "ros2": Subcommand(
        "forearm.cli.ros2",
        "a ROS 2 node that drives an arm to what a goal shows; needs no ROS",
        (
            "forearm ros2 task=push goal=goal.png",
            "forearm ros2 task=push goal=goal.png command=/panda_arm_controller/joint_trajectory record=run.mcap",
        ),
        "ros2",
    ),
    "collect": Subcommand(
        "forearm.cli.collect",
        "film an explorer, mostly a noisy scripted expert, into a LeRobotDataset folder",
        ("forearm collect task=push episodes=2500 out=data/push",),
        "collect",
    ),
    "data": Subcommand(
        "forearm.cli.data",
        "what is in a data set, its rates, ranges and gaps",
        (
            "forearm data inspect data=FOLDER",
            "forearm data inspect data=FOLDER frames=true",
            "forearm data convert data=run.mcap commands=push out=data/run",
        ),
        "data",
    ),
    "robot": Subcommand(
        "forearm.cli.robot",
        "what a robot's config, or a model file, describes, and a drawing of it",
        (
            "forearm robot check arm.yaml",
            "forearm robot check arm.urdf tool=gripper_link picture=arm.png",
        ),
        "robot-check",
    ),
    "train": Subcommand(
        "forearm.cli.train",
        "train a world model on such a folder",
        (
            "forearm train task=push data=data/push out=outputs/push",
            "forearm train task=push data=data/push out=outputs/push resume=true",
            "forearm train task=own data=FOLDER camera_key=observation.images.wrist",
            "torchrun --standalone --nproc_per_node=2 -m forearm train task=push data=data/push out=outputs/push",
        ),
        "train",
    ),
    "train-heads": Subcommand(
        "forearm.cli.train_heads",
        "train what planning can use beside a world model: an action prior and a distance",
        (
            "forearm train-heads task=push data=data/push task.checkpoint=outputs/push",
            "forearm train-heads task=push data=data/push distance.kind=quasimetric",
        ),
        "train-heads",
    ),
    "calibrate": Subcommand(
        "forearm.cli.calibrate",
        "what is normal for a checkpoint: its frames, nearness to a goal, and what surprises it",
        (
            "forearm collect task=push seed=201 episodes=700 steps=50 out=data/held-out",
            "forearm calibrate task=push data=data/held-out",
            "forearm calibrate task=push data=data/held-out parts=[surprise]",
        ),
        "calibrate",
    ),
    "monitor": Subcommand(
        "forearm.cli.monitor",
        "what in recorded episodes surprises a checkpoint, as a page and a table",
        ("forearm monitor task=push data=FOLDER", "forearm monitor task=push data=FOLDER rate=12 episodes=0:40"),
        "monitor",
    ),
    "learn": Subcommand(
        "forearm.cli.learn",
        "from nothing to a measured world model within so many minutes, and on from there",
        (
            "forearm learn task=push minutes=12 out=outputs/learn-push",
            "forearm learn task=push minutes=+12 resume=true out=outputs/learn-push",
            "forearm learn task=own data=FOLDER minutes=20",
        ),
        "learn",
    ),
    "practice": Subcommand(
        "forearm.cli.practice",
        "rounds of filming what planners do, training on, and keeping what is better",
        (
            "forearm practice task=push data=data/push rounds=3",
            "forearm practice task=pick_place planner=[guided,cem] data=data/pick_place out=outputs/practised",
        ),
        "practice",
    ),
    "doctor": Subcommand(
        "forearm.cli.doctor", "what this machine has, and what to do about what it has not", ("forearm doctor",)
    ),
}


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
