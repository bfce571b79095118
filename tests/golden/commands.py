"""Golden entries of the command line: composed settings, help, and what is said about mistakes."""

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from forearm.cli.commands import COMMANDS
from forearm.cli.main import main
from forearm.settings.compose import load, options
from tests.golden.pinned import sha256

CONFIGS = sorted(command.config for command in COMMANDS.values() if command.config)
OWN_TASKS = ("own", "reach", "push", "pick_place")
"""Tasks that are composed with every planner; others with the planner that is usual for them."""
OTHER_TASKS = (
    "fetch/pick-and-place", "fetch/push", "metaworld/reach-wall-v3", "metaworld/door-open-v3", "metaworld/push-v3",
    "metaworld/reach-v3", "metaworld/drawer-open-v3", "metaworld/button-press-v3",
    "ogbench/cube-single", "ogbench/scene",
)  # fmt: skip
"""Those of the benchmarks with a config of their own, and for each benchmark some that share one."""

WORDS: dict[str, list[str]] = {
    "plan": [
        "task=push planner=mppi planner.samples=200 mppi.temperature=0.5 seed=7",
        "planner=cem cem.knots=[0,0.4,0.8] cem.interpolation=cubic cem.initial_std=[0.5,0.5,0.1,1]",
        "task=reach task.checkpoint=elsewhere/model.json task.objective.weights=last task.objective.terminal=0.5",
        "task=push push.plan.horizon=8 task.plan.action_repeat=1 planner.horizon=null planner.deadline_ms=50",
        "task=pick_place task.proposals=[previous,prior] planner=icem planner.prior_share=0.3 out='a (1).json'",
        "task=push task.planner=mppi start=a.png goal=b.png format=joint_trajectory",
    ],
    "imagine": ["task=push actions=[[1,0,0,0],[0.5,0,0,-1]] real=true", "task=reach actions=plan.json start=a.png"],
    "run": [
        "task=push dynamics=oracle",
        "task=push dynamics=oracle planner=guided",
        "episodes=5 use=[one,two] films=0",
    ],
    "compare": [
        "task=[reach,push] planner=[cem,mppi,random_shooting] planner.min_std=0.2 cem.samples=200",
        "task=built-in planner=icem,dial oracle=true baselines=[] protocol=strict",
        "task=[own,built-in] episodes=7 replan_every=null protocol.confidence=0.9 push.max_steps=30",
        "task=metaworld/door-open-v3 metaworld/door-open-v3.camera=corner",
    ],
    "manifest": ["task=[reach,push] protocol=strict episodes=7 seed=3 out='m (1).json'"],
    "serve": ["task=push host=0.0.0.0 port=0 token_file=t.txt idle_timeout=5 workers=2", "goals=goals/ planner=guided"],
    "collect": ["task=pick_place practice=0.25 planner=mppi storage=mp4 episodes=10"],
    "train": [
        "task=built-in data=[a,b,c] weights=[1,2,2] world_model=vit world_model.train.steps=10",
        "task=own data=d action_key=[x,y] episodes=0:40 exclude=[3] init=reach freeze_encoder=true share=0.5",
        "world_model=frozen world_model.backbone.weights_file=w.safetensors",
    ],
    "train-heads": ["task=push data=d distance.kind=quasimetric prior.steps=10 distance.rate=1e-4"],
    "diagnose": ["task=pick_place planner=cem episodes=20", "task=fetch/push planner=guided explore=7"],
    "practice": ["task=push planner=[guided,cem] cem.samples=9 learning_rate=1e-4", "task=fetch/push practice=0"],
    "data": ["data=[a,b] out=c episodes=[[0,1],[2]]", "data='a b' frames=true"],
}
"""Settings as they may be typed; blanks part them, quotes hold them together."""

MISTAKES = [
    "compair", "plan --fast", "list task=push", "doctor now",
    "compare episods=3", "compare task=rech", "compare planner=Cemm", "compare protocol=rset",
    "compare planner.sampels=3",
    "compare samples=3", "compare mppi.samples=3", "compare episodes=many", "compare episodes=1.5",
    "compare oracle=maybe", "compare baselines=random", "compare planner.alpha=big", "compare seed=1.5",
    "compare episodes=[3", "compare task=[reach,reach]", "compare task=", "compare task.objective=3",
    "compare world_model=conv", "compare episodes", "compare +episodes=3", "compare hydra.run.dir=x",
    "compare objective.action=1", "compare episodes=0", "compare workers=0", "compare batch=0 episodes=1",
    "compare task=metaworld/dor-open-v3", "compare task=ogbench/nothing",
    "plan task=[reach,push]", "plan planner=[cem,mppi]", "plan cem.elites=200 planner.samples=100",
    "plan planner.horizon=0", "plan planner.deadline_ms=-5", "plan planner.deadline_ms=soon", "plan planner.samples=1",
    "plan planner.execute=worst", "plan planner.knots=99", "plan planner.knots=[0.4,0.2]", "plan planner.prior_share=2",
    "plan planner.interpolation=sharp", "plan planner=gauss_newton planner.samples=3", "plan planner.polish=-1",
    "plan seed=-1", "plan task.checkpoint=nowhere/model.json", "plan task.checkpoint=nosuch", "plan out=out",
    "plan out=/dev/null/x", "plan use=[no_such_module]", "plan start=a.png", "plan out=x.png", "plan format=cvs",
    "plan task=reach task.plan.horizon=0", "plan start=a.png goal=b.png", "plan task=push push.checkpoint=reach",
    "plan task.camera=side", "plan planner.horizon=5", "plan task=own", "plan robot=pand", "plan robot.name=x y=1",
    "run episodes=-3", "run replan_every=0", "run task=own", "run dynamics=oracl", "run planner=guided dynamics=oracle",
    "collect episodes=0", "collect practice=1.5 episodes=1", "collect task=own",
    "train", "train data=nowhere", "train task=own data=nowhere", "train share=0 data=here",
    "train share=all data=here",
    "train world_model=con", "train world_model.train.step=3", "train data=here", "train freeze_encoder=true data=here",
    "train data=here world_model.frameskip=0", "train task=[reach,push] data=here", "train init=nosuch data=here",
    "train world_model=frozen data=here", "train weights=[1,2] data=here",
    "train-heads data=nowhere", "train-heads distance.kind=straight data=here", "train-heads task=own data=here",
    "data", "data look", "data inspect", "data inspect data=here", "data inspect data=here frames=7",
    "data merge data=here out=c", "data merge data=[here,here] out=c", "data inspect data=[here,here]",
    "report", "report nowhere.json", "report here", "report here format=docx", "report here embed=-1",
    "diagnose planner=gradient", "diagnose planner=[cem,mppi]", "diagnose nearer=-1", "diagnose explore=2",
    "diagnose task=own", "diagnose planner=prior", "diagnose planner=random",
    "practice data=nowhere", "practice task=own data=here", "practice data=here", "practice data=here episodes=0",
    "practice data=here practice=2", "practice data=here rounds=0", "practice data=here learning_rate=0",
    "serve host=0.0.0.0", "serve port=70000", "serve execute=0", "serve tls_cert=none.pem", "serve goals=nowhere",
    "serve token_file=none.txt", "serve max_clients=0", "serve planner.horizon=5",
]  # fmt: skip


def settings_of(config: str) -> dict[str, str]:
    """The settings of a command, resolved: with every planner, task and other option, and with some words."""
    groups = load(config).groups
    found = {"as it is": _composed(config, [])}
    for task in (*OWN_TASKS, *OTHER_TASKS) if "task" in groups else ():
        found[f"task={task}"] = _composed(config, [f"task={task}"])
        for planner in options("planner") if "planner" in groups and task in OWN_TASKS else ():
            found[f"task={task} planner={planner}"] = _composed(config, [f"task={task}", f"planner={planner}"])
    for group in sorted(set(groups) - {"task", "planner"}):
        found |= {f"{group}={name}": _composed(config, [f"{group}={name}"]) for name in options(group)}
    return found | {line: _composed(config, _words(line)) for line in WORDS.get(config, ())}


def every_option() -> dict[str, list[str]]:
    """The names that can be chosen, by group."""
    return {group: options(group) for group in ("task", "planner", "world_model", "protocol", "robot")}


def every_task() -> dict[str, str]:
    """The settings of `plan` for each task that has not an entry there."""
    others = [task for task in options("task") if task not in (*OWN_TASKS, *OTHER_TASKS)]
    return {task: _composed("plan", [f"task={task}"]) for task in others}


def mistakes() -> dict[str, list[Any]]:
    """Exit code and text of command lines that must fail before anything is done, and what they leave if anything.

    Some look for a GL back end, but none shows what it draws or says what this machine has.
    """
    return {line: _failed(_words(line)) for line in MISTAKES}


def helps() -> dict[str, str]:
    """The pages of help with settings."""
    return {name: sha256(_said([name, "--help"])) for name, command in COMMANDS.items() if command.config}


def _words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


def _composed(config: str, words: Sequence[str]) -> str:
    settings = load(config, words)
    return sha256({"values": settings.values, "groups": settings.groups})


@contextmanager
def little_folder() -> Iterator[Path]:
    """A working directory with an empty folder `here` and a folder `out`."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name in ("here", "out"):
                Path(name).mkdir()
            yield Path(folder).resolve()
        finally:
            os.chdir(before)


def _said(words: Sequence[str]) -> list[Any]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return [code, out.getvalue(), err.getvalue()]


def _failed(words: Sequence[str]) -> list[Any]:
    with little_folder() as folder:
        code, _, text = _said(words)
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return [code, text.replace(str(folder), "FOLDER"), *([left] if left != ["here", "out"] else [])]
