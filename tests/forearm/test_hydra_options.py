"""What Hydra's users expect of a command line: sweeps, the settings as YAML, and completion."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from forearm.cli.hydra_options import jobs
from forearm.cli.main import SWEPT, main
from forearm.settings import compose as settings

TINY = ("planner.samples=16", "planner.iterations=1", "planner.horizon=4", "task.max_steps=4", "films=0")


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("seed=1,2", ["seed=1", "seed=2"]),
        ("seed=1", ["seed=1"]),
        ("task=[reach,push]", ["task=[reach,push]"]),
        ("task=[reach],[reach,push]", ["task=[reach]", "task=[reach,push]"]),
        ("task=reach,ogbench/cube-single", ["task=reach", "task=ogbench/cube-single"]),
        ("planner.alpha=choice(0,0.1)", ["planner.alpha=0", "planner.alpha=0.1"]),
        ("planner.samples=range(32,128,32)", ["planner.samples=32", "planner.samples=64", "planner.samples=96"]),
        ("planner=glob(c*)", ["planner=cem", "planner=cma_es"]),
        ("mine/v1.2.camera=side,top", ["mine/v1.2.camera=side", "mine/v1.2.camera=top"]),
        ("picture='a, b.png'", ["picture='a, b.png'"]),
        ("picture='a b.png',c.png", ["picture=a b.png", "picture=c.png"]),
        ("out=odd (1), a=b/[c]", ["out=odd (1), a=b/[c]"]),
    ],
)
def test_the_values_of_a_word(word: str, values: list[str]) -> None:
    assert jobs([word]) == [[value] for value in values]


def test_every_combination_once_and_the_last_varies_fastest() -> None:
    assert jobs(["seed=1,2", "task=push", "episodes=3,4"]) == [
        [f"seed={seed}", "task=push", f"episodes={episodes}"] for seed in (1, 2) for episodes in (3, 4)
    ]


def test_planners_compared_seed_by_seed(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, here: None
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (f"task.checkpoint={checkpoints}/reach.json", "planner=cem,random_shooting", "seed=3,4", "episodes=1")
    # A list in brackets stays one value, and words behind the option count as well.
    assert main(["compare", *words, "-m", "baselines=[hold]", "workers=1", "cem.elites=2", *TINY]) == 2
    assert "cem is not selected" in capsys.readouterr().err and not list(tmp_path.iterdir())  # all jobs are checked
    assert main(["compare", *words, "-m", "baselines=[hold]", "workers=1", *TINY, "planner.elites=2", "out=swept"]) == 2
    assert "did you mean" in capsys.readouterr().err and not list(tmp_path.iterdir())
    words = (*words[:1], "planner=predictive_sampling,random_shooting", *words[2:])
    assert main(["compare", *words, "-m", "baselines=[hold]", "workers=1", *TINY, "out=swept"]) == 0
    shown = capsys.readouterr().out
    assert [line[:3] for line in shown.splitlines() if line.startswith("#")] == ["#0:", "#1:", "#2:", "#3:"]
    done = [json.loads((tmp_path / "swept" / str(number) / "results.json").read_text()) for number in range(4)]
    assert [document["seed"] for document in done] == [3, 4, 3, 4]
    planned = [{row["planner"] for row in document["rows"]} for document in done]
    assert planned == [{"predictive_sampling", "hold"}] * 2 + [{"random_shooting", "hold"}] * 2
    overview = json.loads((tmp_path / "swept" / "multirun.json").read_text())
    assert overview["command"] == "compare" and list(overview["jobs"]) == [f"swept/{number}" for number in range(4)]


def test_plans_go_into_a_folder_of_their_own(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (f"task.checkpoint={checkpoints}/reach.json", "planner=random_shooting", "planner.iterations=1")
    assert main(["plan", "--multirun", *words, "planner.samples=4,8"]) == 0
    found = sorted((tmp_path / "outputs" / "multirun").rglob("plan.json"))
    assert [path.parent.name for path in found] == ["0", "1"]
    assert [json.loads(path.read_text())["model_evals"] for path in found] == [4, 8]
    assert main(["plan", "-m", *words, "planner.samples=4", "out=a.json,b/c.json"]) == 0
    assert (tmp_path / "a.json").is_file() and (tmp_path / "b" / "c.json").is_file()
    assert main(["plan", "-m", *words, "planner.samples=4,8", "out=d.json,e.json"]) == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("[de].json")) == [
        "0/d.json", "1/e.json", "2/d.json", "3/e.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "-m", "seed=1,-1,many"), "seed must be a whole number, not many"),
        (("plan", "-m", "seed=interval(1,2)"), "takes lists of values: seed=1,2"),
        (("plan", "-m", "planner=glob(x*)"), "stands for nothing"),
        (("plan", "seed=1,2"), "takes one value"),
        (("serve", "-m", "port=1,2"), "unrecognized arguments: -m"),
        (("plan", "--cfg", "hydra"), "invalid choice: 'hydra'"),
        (("plan", "--cfg", "job", "--package", "seed"), "no settings below this key"),
        (("plan", "--cfg", "job", "sede=1"), "did you mean 'seed'?"),
    ],
)
def test_what_makes_no_sense_is_one_line(words: tuple[str, ...], said: str, failing: Any) -> None:
    assert said in failing(*words)


def test_one_process_of_several_does_not_sweep(failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "one job at a time" in failing("train", "-m", "seed=1,2")


@pytest.mark.parametrize("command", [*SWEPT, "serve"])
def test_settings_are_shown_as_yaml_and_nothing_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "--cfg", "job", "task=push", "task.camera=side"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    chosen = settings.load(command, ["task=push", "task.camera=side"])
    assert shown == {**{group: chosen.one(group) for group in chosen.groups}, **chosen.values}
    assert shown["task"]["camera"] == "side" and not list(tmp_path.iterdir())


def test_a_part_of_the_settings(capsys: Any) -> None:
    assert main(["compare", "-c", "job", "-p", "planner.mppi", "planner=[cem,mppi]", "mppi.samples=9"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == settings.load("compare", ["planner=mppi"]).one("planner") | {
        "samples": 9
    }


@pytest.mark.parametrize("name", SWEPT)
def test_help_tells_of_sweeps(name: str, capsys: Any) -> None:
    assert main([name, "--help"]) == 0
    assert "--multirun" in capsys.readouterr().out


def proposed(line: str, folder: Path) -> list[str]:
    """What a shell would be told for a line that is typed up to its end."""
    told = folder / "told"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    environment = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(told)}
    ran = subprocess.run(
        [sys.executable, "-m", "forearm"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return told.read_text().replace("\\", "").splitlines()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("forearm pl", ["plan "]),
        ("forearm plan ta", ["task="]),
        ("forearm plan task=re", ["task=reach "]),
        ("forearm compare planner=[cem,mp", ["planner=[cem,mppi "]),
        ("forearm plan planner=mppi planner.temp", ["planner.temperature="]),
        ("forearm compare oracle=", ["oracle=true", "oracle=false"]),
        ("forearm train -m world_model.train.st", ["world_model.train.steps="]),
        ("forearm plan start=/nowhere/", []),
    ],
)
def test_words_are_completed(line: str, words: list[str], tmp_path: Path) -> None:
    assert proposed(line, tmp_path) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_its_script(shell: str, tmp_path: Path, capsys: Any) -> None:
    scripts = []
    for spelled in (["--shell-completion", shell], ["-sc", f"install={shell}"]):
        assert main(spelled) == 0
        scripts.append(capsys.readouterr().out)
    assert scripts[0] == scripts[1] and "forearm" in scripts[0]
    if shell == "bash" and shutil.which("bash"):
        asked = f"{scripts[0]}\ncomplete -p forearm"
        ran = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
        assert ran.returncode == 0 and "_python_argcomplete" in ran.stdout, ran.stderr
