import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.loaded_model import load
from forearm.agent.setup import task_config
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.recording import collect as engine
from forearm.recording.collect import Collection, collect
from forearm.world_model.model.timm_import import import_timm
from tests.world_model.foreign import write
from tests.world_model.processes import TORCHRUN, finish, rows, start

pytestmark = pytest.mark.usefixtures("quick_probes")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film("push", tmp_path_factory.mktemp("data"), 12)


@pytest.fixture(scope="module")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film("reach", tmp_path_factory.mktemp("data"), 6)


def film(task: str, folder: Path, episodes: int) -> Path:
    out = folder / task
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
        list(collect(Collection(task, out, episodes=episodes, steps=20, shard_episodes=episodes), 1))
    return out


def words(data: Path, out: Path, *more: str) -> list[str]:
    settings = {
        "width": 8, "latent_dim": 8, "predictor_width": 16, "loss.rollout": 2, "loss.directions": 16, "train.steps": 4,
        "train.batch": 8, "train.validate_every": 2, "train.save_every": 2, "train.warmup": 1, "train.validation": 0.2,
    }  # fmt: skip
    given = [f"world_model.{key}={value}" for key, value in settings.items()]
    return ["train", "task=push", f"data={data}", f"out={out}", *given, *more]


def test_training_makes_a_checkpoint_that_plans_for_its_task(data: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(words(data, tmp_path / "run")) == 0
    shown = capsys.readouterr().out
    assert "copy last" in shown and "effective rank" in shown and "model.json" in shown
    document = json.loads((tmp_path / "run" / "model.json").read_text())
    assert document["task"] == "push" and document["control_period"] == pytest.approx(0.1)
    model = LoadedCheckpoint.read({**task_config("push"), "checkpoint": str(tmp_path / "run")}).model
    assert model.config.latent_dim == 8


def test_several_processes_train_one_model_and_speak_once(data: Path, tmp_path: Path, capsys: Any) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    more = ("device=cpu", "world_model.train.precision=float32")
    assert main(words(data, one, *more)) == 0
    alone = capsys.readouterr().out
    shown = finish(start(*TORCHRUN, "forearm", *words(data, two, *more)))
    for phrase in ("copy last", "held-out report", "model.json"):
        assert shown.count(phrase) == alone.count(phrase) > 0
    for row, expected in zip(rows(two), rows(one), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_one_checkpoint_of_several_tasks_plans_for_each(
    data: Path, reach: Path, tmp_path: Path, capsys: Any, failing: Any
) -> None:
    run = tmp_path / "both"
    assert main(words(data, run, "task=[push,reach]", f"data=[{data},{reach}]", "weights=[3,1]")) == 0
    shown = capsys.readouterr().out
    assert "  push: held-out error" in shown and "tasks: reach: probe mm: ee position: linear" in shown
    document = json.loads((run / "model.json").read_text())
    assert document["tasks"] == ["push", "reach"] and set(document["task_descriptions"]) == {"push", "reach"}
    assert document["dataset"]["tasks"]["push"]["share"] == 0.75
    small = ["planner.samples=8", "planner.iterations=1", "planner.elites=2"]
    for task in ("push", "reach"):
        plan = ["plan", f"task={task}", f"task.checkpoint={run}", "seed=1", *small, f"out={tmp_path / task}.json"]
        assert main(plan) == 0
        assert json.loads((tmp_path / f"{task}.json").read_text())["actions"]
    assert "made for task push and reach, not pick_place" in failing(
        "plan", "task=pick_place", f"task.checkpoint={run}"
    )
    with pytest.raises(ForearmError, match=r"several tasks \(push, reach\): say which, load\(.*task='push'\)"):
        load(str(run))
    assert load(str(run), task="reach").task["name"] == "reach"
    heads = [f"{head}.{key}={value}" for head in ("prior", "distance") for key, value in (("width", 8), ("steps", 5))]
    assert main(["train-heads", "task=reach", f"data={reach}", f"task.checkpoint={run}", "validation=0.2", *heads]) == 0


def test_several_tasks_that_make_no_model_are_refused(data: Path, reach: Path, tmp_path: Path, failing: Any) -> None:
    def refused(*more: str) -> str:
        return str(failing(*words(data, tmp_path / "run", "task=[push,reach]", *more)))

    both = f"data=[{data},{reach}]"
    assert "names 1 folder for 2 tasks (push, reach): give one each, in this order" in refused()
    assert f"data={tmp_path / 'no'}: no such folder; make it with 'forearm collect task=reach" in refused(
        f"data=[{data},{tmp_path / 'no'}]"
    )
    assert "weights=[1]: expected a number above 0 for each" in refused(both, "weights=[1]")
    assert "weights=[1,-1]: expected a number above 0" in refused(both, "weights=[1,-1]").replace(", ", ",", 1)
    assert "need the same frameskip, but push has 2 and reach has 3" in refused(both, "reach.frameskip=3")
    assert "need the same resolution, but push has 64 and reach has 32" in refused(both, "reach.resolution=32")
    assert "world_model.frameskip= for all" in refused(both, "reach.frameskip=3")
    assert "weights=[1,2]" in failing(*words(data, tmp_path / "run", "weights=[1,2]")).replace(", ", ",", 1)
    assert not (tmp_path / "run").exists()


def test_heads_are_trained_beside_their_checkpoint(data: Path, tmp_path: Path, capsys: Any, failing: Any) -> None:
    run = tmp_path / "run"
    assert main(words(data, run)) == 0
    before = (run / "model.safetensors").read_bytes()
    small = [f"{head}.{key}={value}" for head in ("prior", "distance") for key, value in (("width", 8), ("steps", 5))]
    train = ["train-heads", "task=push", f"data={data}", f"task.checkpoint={run}", "validation=0.2", *small]
    capsys.readouterr()
    assert main(train) == 0
    shown = capsys.readouterr().out
    assert "distance ordered" in shown and "model.heads.json" in shown
    task = {**task_config("push"), "checkpoint": str(run), "proposals": ["prior"]}
    heads = LoadedCheckpoint.read(task).heads(task)
    assert heads is not None and heads.document["task"] == "push" and heads.prior.config.width == 8
    assert (run / "model.safetensors").read_bytes() == before
    assert main([*train, f"out={tmp_path / 'other'}", "distance.kind=quasimetric"]) == 0
    assert (tmp_path / "other" / "model.heads.safetensors").is_file()
    assert "expected one of reachability, quasimetric" in failing(*train, "distance.kind=straight")
    assert "forearm collect" in failing(*train, f"data={tmp_path / 'nothing'}")
    assert "was made for task push, not reach" in failing("train-heads", f"data={data}", f"task.checkpoint={run}")


def test_another_predictor_is_chosen_and_plans(data: Path, tmp_path: Path, capsys: Any, failing: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    affine, prefix = "world_model.predictor=affine", "world_model.predictor=prefix"
    assert main(words(data, first, affine)) == 0
    told = "predictor_steps is 6, but rollout is 2: longer prefixes would not be trained"
    kept = (f"init={first}", "freeze_encoder=true")
    assert told in failing(*words(data, second, prefix, *kept))
    assert "predictor is 'salt': expected one of residual, affine, prefix" in failing(
        *words(data, second, "world_model.predictor=salt")
    )
    assert "predictor_steps is 2, but predictor is 'affine'" in failing(
        *words(data, second, affine, "world_model.predictor_steps=2")
    )
    assert "but there are no commands" in failing(*words(data, second, "world_model=video", prefix))
    assert not second.exists()
    assert main(words(data, second, prefix, "world_model.predictor_steps=2", *kept)) == 0
    for run in (first, second):
        assert main(["plan", "task=push", f"task.checkpoint={run}", "seed=1", f"out={tmp_path / 'plan.json'}"]) == 0
    capsys.readouterr()


def test_an_encoder_from_video_alone_and_a_share_of_the_commands(
    data: Path, tmp_path: Path, capsys: Any, failing: Any
) -> None:
    video, one, two = (str(tmp_path / name) for name in ("video", "one", "two"))
    assert main(words(data, Path(video), "world_model=video")) == 0
    refused = failing("plan", "task=push", f"task.checkpoint={video}", "seed=1")
    assert "knows no commands, so it cannot plan" in refused and f"init={video} freeze_encoder=true" in refused
    assert "cannot plan" in failing("compare", "task=push", f"task.checkpoint={video}", f"out={tmp_path / 'compare'}")
    assert "cannot plan" in failing("train-heads", f"data={data}", "task=push", f"task.checkpoint={video}")
    begin = (f"init={video}", "freeze_encoder=true", "share=0.5", "device=cpu")
    assert main(words(data, Path(one), *begin)) == 0
    document = json.loads((tmp_path / "one" / "model.json").read_text())
    assert document["train"]["share"] == 0.5 and document["dataset"]["learned_from"] == 5
    assert document["init"]["freeze_encoder"] is True
    model = LoadedCheckpoint.read({**task_config("push"), "checkpoint": one}).model
    assert model.config.action_dim == 4
    finish(start(*TORCHRUN, "forearm", *words(data, Path(two), *begin)))
    for row, expected in zip(rows(Path(two)), rows(Path(one)), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    capsys.readouterr()
    other = tmp_path / "other"
    assert "width 8, not 16" in failing(*words(data, other, f"init={video}", "world_model.width=16"))
    assert "no checkpoint 'nosuch'" in failing(*words(data, other, "init=nosuch"))
    assert "freeze_encoder=true without init=" in failing(*words(data, other, "freeze_encoder=true"))
    assert "share is 0.0: expected" in failing(*words(data, other, "share=0"))
    assert "share must be a number" in failing(*words(data, other, "share=all"))
    assert "not one of 10 episodes" in failing(*words(data, other, "share=0.01"))
    assert not other.exists()


def test_bad_training(data: Path, tmp_path: Path, failing: Any) -> None:
    out = tmp_path / "run"
    assert "forearm collect" in failing(*words(tmp_path / "nothing", out))
    assert "missing" in failing(*words(tmp_path, out))
    assert "frameskip is 0" in failing(*words(data, out, "world_model.frameskip=0"))
    assert "did you mean 'conv'" in failing(*words(data, out, "world_model=con"))
    assert "did you mean 'world_model.train.steps'" in failing(*words(data, out, "world_model.train.step=3"))
    assert "world_model.backbone.weights_file=FILE" in failing(*words(data, out, "world_model=frozen"))
    assert not out.exists()


def test_training_on_a_frozen_backbone(data: Path, tmp_path: Path, capsys: Any, failing: Any) -> None:
    try:
        timm = import_timm()
    except ImportError:
        pytest.skip("needs the extra 'frozen'")
    weights, run = tmp_path / "vit weights.safetensors", tmp_path / "run"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), weights)
    chosen = ["world_model=frozen", "world_model.backbone.name=test_vit", "world_model.backbone.input_size=64"]
    missing = failing(*words(data, run, *chosen, f"world_model.backbone.weights_file={tmp_path / 'none'}"))
    assert "the weights of backbone test_vit cannot be read" in missing and not run.exists()
    chosen.append(f"world_model.backbone.weights_file={weights}")
    assert main(words(data, run, *chosen)) == 0
    model = LoadedCheckpoint.read({**task_config("push"), "checkpoint": str(run)}).model
    assert model.backbone is not None and model.backbone.shape[1:] == (4, 4)
    small = [f"{head}.{key}={value}" for head in ("prior", "distance") for key, value in (("width", 8), ("steps", 5))]
    assert main(["train-heads", "task=push", f"data={data}", f"task.checkpoint={run}", "validation=0.2", *small]) == 0
    plan = ["plan", "task=push", f"task.checkpoint={run}", "seed=1", "planner.samples=8", "planner.iterations=1"]
    assert main([*plan, "planner.elites=2", f"out={tmp_path / 'plan.json'}"]) == 0
    assert json.loads((tmp_path / "plan.json").read_text())["actions"]


SMALL = (
    *("world_model.width=8", "world_model.latent_dim=8", "world_model.predictor_width=16", "world_model.history=2"),
    *("world_model.loss.rollout=1", "world_model.train.steps=1", "world_model.train.batch=8"),
    *("world_model.train.warmup=1", "world_model.train.validation=0.34"),
)


def of_own(root: Path, out: Path, *more: str) -> list[str]:
    return ["train", "task=own", f"data={root}", f"out={out}", *SMALL, *more]


def test_columns_of_other_names_are_named(tmp_path: Path, capsys: Any, failing: Any) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "action.arm": rng.normal(size=(15, 2, 2)).astype(np.float32),
        "action.gripper": rng.integers(0, 9, 15).astype(np.uint16),
        "pose": rng.normal(size=(15, 3)),
    }
    root = write(tmp_path / "a", columns)
    said = failing(*of_own(root, tmp_path / "out"))
    assert "its numeric columns are action.arm (2x2), action.gripper (1), pose (3): say which, action_key=NAME" in said
    both = "action_key=[action.gripper,action.arm]"
    assert "action_key=1: has no numbers called 1" in failing(*of_own(root, tmp_path / "out", "action_key=[1]"))
    assert "expected the name of a column" in failing(*of_own(root, tmp_path / "out", "action_key=[]"))
    said = failing(*of_own(root, tmp_path / "out", both, "world_model.proprio_dim=3"))
    assert "no joint readings that are clearly such" in said and "state_key=NAME" in said
    chosen = (both, "state_key=pose", "world_model.proprio_dim=3")
    assert main(of_own(root, tmp_path / "out", *chosen)) == 0
    document = json.loads((tmp_path / "out/model.json").read_text())
    assert document["model"]["action_dim"] == 5 and document["action_names"][0] == "action.gripper.0"
    heads = [f"{head}.{setting}" for head in ("prior", "distance") for setting in ("steps=1", "batch=4", "farthest=3")]
    checkpoint = f"task.checkpoint={tmp_path}/out/model"
    train = ["train-heads", "task=own", f"data={root}", checkpoint, "validation=0.34", "prior.horizon=2", *heads]
    assert main([*train, "exclude=[2]"]) == 0
    assert json.loads((tmp_path / "out/model.heads.json").read_text())["dataset"]["episodes"] == 2
    for key in (both, "state_key=pose"):
        assert main(["data", "inspect", f"data={root}", key]) == 0
    capsys.readouterr()
    assert main(["data", "merge", f"data=[{root},{root}]", f"out={tmp_path}/m", both, "episodes=[[0],1:3]"]) == 0
    assert "3 episodes, 15 frames" in capsys.readouterr().out


def test_some_episodes_are_chosen(tmp_path: Path, failing: Any) -> None:
    columns = {"action": np.random.default_rng(0).normal(size=(15, 3)).astype(np.float32)}
    root = write(tmp_path / "a", columns, files=3)
    (root / "data/chunk-000/file-002.parquet").unlink()
    assert "episode 2: the file is missing; 1 of 3 episodes" in failing(*of_own(root, tmp_path / "out"))
    wrong_ones = {
        **{"episodes=[0,0]": "names episode 0 twice", "exclude=[-1]": "there is no episode -1"},
        **{"episodes=[]": "names no episode", "episodes=1e3": "expected numbers"},
        **{"episodes=[[0],[1]]": "expected numbers", "episodes=0:4": "beyond the last episode"},
    }
    for wrong, said in wrong_ones.items():
        assert said in failing(*of_own(root, tmp_path / "out", wrong))
        assert said in failing("data", "inspect", f"data={root}", wrong)
    for n, right in enumerate(("episodes=0:2", "exclude=[2]", "episodes=[1:3,0]", "episodes=[0,1]")):
        words = [right, "exclude=2"] if n == 2 else [right]
        assert main(of_own(root, tmp_path / f"out-{n}", *words)) == 0
        assert json.loads((tmp_path / f"out-{n}/model.json").read_text())["dataset"]["episodes"] == 2
    assert main(["data", "inspect", f"data={root}", "exclude=2"]) == 0
