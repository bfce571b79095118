"""Golden entries of episodes, data sets and training, in simulated worlds that are drawn in squares."""

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

import forearm
from forearm.cli.main import main
from forearm.planner import Plan
from forearm.world_model.data.reader import read_dataset
from tests.golden.drawing import squares
from tests.golden.pinned import sha256
from tests.planner.toys import content

SMALL = {
    "width": 8, "latent_dim": 8, "predictor_width": 16, "loss.rollout": 2, "loss.directions": 16, "train.steps": 4,
    "train.batch": 8, "train.validate_every": 2, "train.save_every": 2, "train.warmup": 1, "train.validation": 0.34,
    "train.precision": "float32",
}  # fmt: skip
"""A world model that is trained in a moment."""
BESIDE = (
    "settings", "searches", "draws_prior", "model_evals", "run", "sha256", "film", "plan_ms",
    "test", "n", "difference", "more_episodes",
)  # fmt: skip
OF_THE_CLOCK = ("seconds", "_s", "per_s", "waiting", "created", "version", "time")
"""How keys end or begin that hold times, rates or releases."""


def compared(task: str) -> dict[str, str]:
    """Two episodes of a task: the manifest, the rows as they were set, and how each went, times aside."""
    with _folder() as folder, squares():
        document = forearm.compare(
            task, ["cem", "mppi", "guided"], out=folder / "out", episodes=2, oracle=True, oracle_episodes=1, films=0,
            baselines=["random", "hold", "expert", "prior"], seed=4,
            **{"planner.iterations": 2, "planner.samples": 48, "protocol.max_steps": 16},
        )  # fmt: skip
        settings = json.loads((folder / "out" / "settings.json").read_text(encoding="utf-8"))
    found = {"manifest": document["manifest_sha256"], "pairs": sha256(_pairs(document))}
    found["solved at start"] = sha256(document["solved_at_start"])
    for row, told in zip(document["rows"], settings["rows"], strict=True):
        label = f"{row['planner']}, {row['dynamics']}"
        kept = {key: value for key, value in row.items() if key not in ("plan_ms", "key", "code")}
        found[label] = sha256(_known(kept))
        found[f"{label}: settings"] = sha256({key: value for key, value in told.items() if key not in ("key", "code")})
    return found | {"protocol": sha256(settings["protocol"])}


def _pairs(document: dict[str, Any]) -> Any:
    return [
        {key: value for key, value in pair.items() if key != "final_distance_m"} for pair in _known(document["pairs"])
    ]


def _known(found: Any) -> Any:
    """Without what results say of their rows beside the figures, and what is reckoned from these."""
    if isinstance(found, list):
        return [_known(item) for item in found]
    return {key: _known(value) if key == "outcomes" else value for key, value in found.items() if key not in BESIDE}


def collected(task: str) -> dict[str, Any]:
    """Two episodes of a data set, one of them begun by a planner: what is read back, and what its files hold."""
    with _folder() as folder, squares():
        _run("collect", f"task={task}", "episodes=2", "steps=16", "practice=0.5", "planner=cem", "planner.iterations=2",
             "workers=1", "contact_sheet=false", f"out={folder / 'data'}")  # fmt: skip
        data = read_dataset(folder / "data")
        found: dict[str, Any] = {}
        for number in range(len(data)):
            episode = data.episode(number)
            found[f"episode {number}: frames"] = sha256(np.asarray(episode.pixels))
            found[f"episode {number}: state and action"] = sha256([episode.state, episode.action])
            found[f"episode {number}: positions"] = sha256(dict(episode.extra))
        for path in sorted((folder / "data").rglob("*")):
            name = str(path.relative_to(folder / "data"))
            if path.suffix == ".parquet":
                found[name] = sha256(_table(path))
            elif path.is_file():
                found[name] = sha256(_timeless(json.loads(path.read_text(encoding="utf-8"))))
    return found


def trained() -> dict[str, str]:
    """A few steps of a world model and of its heads on a small data set: losses, reports and weights."""
    with _folder() as folder, squares():
        _run("collect", "task=push", "episodes=6", "steps=16", "workers=1", "contact_sheet=false",
             f"out={folder / 'data'}")  # fmt: skip
        model = [f"world_model.{key}={value}" for key, value in SMALL.items()]
        _run("train", "task=push", f"data={folder / 'data'}", f"out={folder / 'run'}", "device=cpu", *model)
        heads = [f"{head}.{key}={value}" for head in ("prior", "distance")
                 for key, value in (("width", 8), ("steps", 6), ("batch", 16), ("farthest", 8))]  # fmt: skip
        _run("train-heads", "task=push", f"data={folder / 'data'}", f"task.checkpoint={folder / 'run'}",
             "validation=0.34", "prior.horizon=8", *heads)  # fmt: skip
        _run("plan", "task=push", f"task.checkpoint={folder / 'run'}", "seed=1", "planner.samples=16",
             "planner.elites=4", f"out={folder / 'plan.json'}")  # fmt: skip
        return {**_files(folder / "run", folder), "a plan": _plan(folder / "plan.json")}


def planned() -> dict[str, str]:
    """`forearm plan` from frames that it samples itself: the document, and the joints' trajectory."""
    with _folder() as folder, squares():
        _run("plan", "task=push", "seed=3", f"out={folder / 'plan.json'}")
        _run("plan", "task=reach", "seed=3", "format=joint_trajectory", f"out={folder / 'joints.json'}",
             f"picture={folder / 'picture.png'}")  # fmt: skip
        joints = (folder / "joints.json").read_text(encoding="utf-8")
        return {"plan": _plan(folder / "plan.json"), "joint trajectory": sha256(joints)}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


def _run(*words: str) -> None:
    with redirect_stdout(io.StringIO()):
        code = main(words)
    assert code == 0, words


def _plan(path: Path) -> str:
    return sha256(content(Plan.load(path)))


def _files(run: Path, folder: Path) -> dict[str, str]:
    """What the files of a training hold, without times and the name of the folder."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.suffix == ".safetensors":
            found[name] = sha256(load_file(path))
        elif path.suffix in (".json", ".jsonl"):
            text = path.read_text(encoding="utf-8").replace(str(folder), "FOLDER")
            rows = [json.loads(row) for row in (text.splitlines() if path.suffix == ".jsonl" else [text])]
            for row in rows:  # of the data set's bytes, which depend on who packs the pictures
                row.get("dataset", {}).pop("fingerprint", None)
            found[name] = sha256([_timeless(row) for row in rows])
    return found


def _table(path: Path) -> Any:
    """A table's columns, their types and what they hold; of pictures only that they are there."""
    table = pq.read_table(path)
    values = [column.to_pylist() for column in table.columns if not pa.types.is_struct(column.type)]
    return [[f"{field.name}: {field.type}" for field in table.schema], values]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(v) for key, v in value.items() if not str(key).endswith(OF_THE_CLOCK)}
    return [_timeless(v) for v in value] if isinstance(value, list) else value
