"""What is imagined can be looked at: by command, from Python, in pictures of plans and in films."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

import forearm
from forearm.agent.imagination import commands_of
from forearm.agent.setup import task_config
from forearm.cli.imagine import read_commands
from forearm.cli.main import main
from forearm.cli.picture import MOST, PANEL, SIDE, imagined_film, plan_picture, strip
from forearm.errors import ForearmError
from forearm.evaluation.film import BAR, MAIN
from forearm.planner import Plan
from forearm.world_model.heads.decoder import Decoder, DecoderConfig
from forearm.world_model.heads.decoder_checkpoint import decoder_path, save_decoder
from forearm.world_model.runtime.checkpoint import load_checkpoint

FORWARD = [[1.0, 0.0, 0.0, 0.0]] * 4
INLINE = "actions=[[1,0,0,0],[1,0,0,0],[1,0,0,0],[1,0,0,0]]"


@pytest.fixture
def drawn(checkpoints: Path, tmp_path: Path) -> Path:
    """A folder with the tiny checkpoints, and a decoder beside each."""
    folder = tmp_path / "drawn"
    shutil.copytree(checkpoints, folder)
    for task in ("reach", "push"):
        torch.manual_seed(1)
        decoder = Decoder(16, 64, DecoderConfig(width=8))
        torch.nn.init.normal_(decoder.body[-2].weight, std=0.5)
        document = load_checkpoint(folder / task)[1]
        save_decoder(decoder.eval(), decoder_path(folder / task), document["weights_sha256"], {})
    return folder


def words(folder: Path, out: Path, task: str = "push") -> list[str]:
    return [f"task={task}", f"{task}.checkpoint={folder}/{task}.json", f"out={out}", "seed=3"]


def test_commands_are_drawn_with_their_distances_and_what_really_comes(
    drawn: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "new" / "i.json"
    assert main(["imagine", *words(drawn, out), INLINE, "real=true"]) == 0
    found = json.loads(out.read_text())
    assert found["actions"] == FORWARD and found["every"] == 2 and found["times"] == [0.0, 0.2, 0.4]
    assert len(found["distances"]) == 3 and found["distances"][0] != found["distances"][2]
    assert found["errors"]["copy_last"][0] == 0 and found["errors"]["copy_last"][2] > 0
    assert len(found["errors"]["imagined"]) == 3
    with Image.open(out.with_suffix(".png")) as picture:  # now, two frames and the goal; below what came
        assert picture.size == (4 * SIDE // 2, 2 * (BAR + SIDE // 2))
    assert sorted(path.name for path in out.parent.iterdir()) == ["i.json", "i.png"]
    assert "distance to the goal" in capsys.readouterr().out


def test_a_film_of_commands_from_frames_in_files(drawn: Path, tmp_path: Path) -> None:
    env = forearm.make_env("push")
    start = env.reset(seed=3)[0]["pixels"]
    Image.fromarray(start).save(tmp_path / "a.png")
    film, out = tmp_path / "i.mp4", tmp_path / "i.json"
    given = [f"start={tmp_path / 'a.png'}", f"picture={film}"]
    assert main(["imagine", *words(drawn, out), INLINE, *given]) == 0
    assert imageio.imread(film, plugin="pyav").shape == (3, BAR + PANEL, PANEL, 3)
    found = json.loads(out.read_text())
    assert found["distances"] is None and found["errors"] is None
    assert main(["imagine", *words(drawn, out), INLINE, *given, f"goal={tmp_path / 'a.png'}"]) == 0
    assert json.loads(out.read_text())["distances"][0] == pytest.approx(0, abs=1e-9)


def test_commands_are_read_from_plans_lists_and_tables(tmp_path: Path, drawn: Path) -> None:
    plan = tmp_path / "plan.json"
    assert main(["plan", *words(drawn, plan), "planner.samples=16", "planner.elites=4", "planner.iterations=1"]) == 0
    assert read_commands(str(plan)) == Plan.load(plan).actions.tolist()
    (tmp_path / "a.json").write_text("[[1, 0], [0, 1]]")
    (tmp_path / "a.csv").write_text("dx,dy\n1,0\n0,1\n")
    (tmp_path / "b.csv").write_text("1,0\n0,1\n\n")
    for name in ("a.json", "a.csv", "b.csv"):
        assert read_commands(str(tmp_path / name)) == [[1, 0], [0, 1]]
    assert read_commands(FORWARD) == FORWARD


def test_wrong_commands_are_told_in_a_line(drawn: Path, tmp_path: Path, failing: Callable[..., str]) -> None:
    (tmp_path / "a.txt").write_text("1 2 3")
    (tmp_path / "a.csv").write_text("dx,dy\n1,zero\n")
    (tmp_path / "a.json").write_text('{"plan": 1}')
    for given, message in {
        "": "give the commands to imagine",
        "actions=[[1,0,0]]": "expected rows of 4 numbers, one row a control step, got shape (1, 3)",
        "actions=[[1,0,0,0],[1,0]]": "expected rows of 4 numbers",
        "actions=[]": "expected rows of 4 numbers",
        "actions=7": "expected rows of 4 numbers",
        "actions=[[1,0,0,0],[1,-3,0,0]]": "row 1 has -3 for number 1, but commands lie between -1 and 1",
        "actions=[[1,0,0,0]]": "1 commands: this model steps 2 at a time",
        f"actions={tmp_path}/none.json": "cannot be read (No such file or directory)",
        f"actions={tmp_path}/a.txt": "is neither JSON nor a .csv of numbers",
        f"actions={tmp_path}/a.csv": "is neither JSON nor a .csv of numbers",
        f"actions={tmp_path}/a.json": "expected rows of 4 numbers",
    }.items():
        assert message in failing("imagine", *words(drawn, tmp_path / "i.json"), *[given] * bool(given)), given
    for more, message in {
        "picture=a.gif": "name a file that ends with .png (a strip) or .mp4 (a film)",
        f"picture={tmp_path}/i.json": "name a file that ends with .png",
        "out=i.png": "would be one file",
        "goal=none.png": "goal=none.png: no such file",
        "planner=cem": "has no planner to choose",
    }.items():
        assert message in failing("imagine", *words(drawn, tmp_path / "i.json"), INLINE, more), more
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    told = failing("imagine", *words(drawn, tmp_path / "i.json"), INLINE, f"start={tmp_path}/a.png", "real=true")
    assert "leave out start=" in told and not (tmp_path / "i.json").exists()


def test_without_a_decoder_it_is_said_how_to_train_one(
    checkpoints: Path, tmp_path: Path, failing: Callable[..., str]
) -> None:
    told = failing("imagine", *words(checkpoints, tmp_path / "i.json"), INLINE)
    assert "there is no" in told and "'forearm train-heads task=push parts=[decoder]'" in told


def test_a_plan_is_the_same_with_a_decoder_and_its_picture_shows_more(
    checkpoints: Path, drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = ["planner.samples=16", "planner.elites=4", "planner.iterations=2"]
    found = {}
    for name, folder in {"without": checkpoints, "with": drawn}.items():
        out = tmp_path / f"{name}.json"
        assert main(["plan", *words(folder, out), *few]) == 0
        with Image.open(out.with_suffix(".png")) as picture:
            found[name] = Plan.load(out).actions, picture.size
    assert np.array_equal(found["with"][0], found["without"][0])
    assert found["without"][1] == (2 * SIDE, BAR + SIDE)
    assert found["with"][1][0] == 3 * SIDE and found["with"][1][1] > BAR + SIDE
    # A decoder that is left from another training is no reason not to plan, but one that is named must fit.
    shutil.copy(drawn / "push.decoder.safetensors", drawn / "old.decoder.safetensors")
    for name in ("push", "old"):
        document = json.loads((drawn / "push.decoder.json").read_text())
        (drawn / f"{name}.decoder.json").write_text(json.dumps({**document, "world_model_sha256": "f" * 64}))
    assert main(["plan", *words(drawn, tmp_path / "stale.json"), *few]) == 0
    assert "what is imagined is not drawn" in caplog.text and "was trained on the world model ffff" in caplog.text
    assert main(["plan", *words(drawn, tmp_path / "no.json"), *few, f"push.decoder={drawn}/old.decoder.json"]) == 2
    assert not (tmp_path / "no.json").exists()


def test_from_python(drawn: Path) -> None:
    loaded = forearm.load(drawn / "push.json", task="push")
    env = forearm.make_env("push")
    observation, info = env.reset(seed=3)
    start = observation["pixels"]
    after = env.step(np.array(FORWARD[0]))[0]["pixels"]
    one = loaded.imagine(start, FORWARD)
    assert one.frames.shape == (2, 64, 64, 3) and one.now.dtype == np.uint8 and one.distances is None
    assert not np.array_equal(one.frames[0], one.frames[1])
    near = loaded.imagine(start, FORWARD, goal=info["goal"])
    assert near.distances is not None and near.distances.shape == (3,)
    own = loaded.setup("cem").latent_model()
    own.begin([info["goal"]])
    assert near.distances[0] == pytest.approx(own.distance(0, own.encode(start[None])[0]), rel=1e-5)
    two = loaded.imagine([start, after], FORWARD, past=FORWARD[:1])
    assert np.array_equal(two.now, loaded.imagine(after, FORWARD).now)
    assert not np.array_equal(two.latents[-1], loaded.imagine(after, FORWARD).latents[-1])  # what was before counts
    with pytest.raises(ForearmError, match="2 frames want 1 commands between them, got 0"):
        loaded.imagine([start, after], FORWARD)
    with pytest.raises(ForearmError, match="a frame is uint8"):
        loaded.imagine(start[:, :, 0], FORWARD)


def test_commands_keep_the_bounds_that_the_checkpoint_names(drawn: Path) -> None:
    spec = forearm.load(drawn / "push.json", task="push").action_spec
    assert commands_of(FORWARD, spec).shape == (4, 4)
    with pytest.raises(ForearmError, match="row 0 has nan for dz"):
        commands_of([[0, 0, np.nan, 0]], spec, ["dx", "dy", "dz", "gripper"])


def test_films_show_where_a_plan_is_to_lead(drawn: Path, tmp_path: Path, here: None) -> None:
    few = ["planner.samples=16", "planner.elites=4", "planner.iterations=1", "protocol.max_steps=3", "episodes=1"]
    assert main(["run", *words(drawn, tmp_path / "out"), *few]) == 0
    [film] = (tmp_path / "out" / "films").iterdir()
    assert imageio.imread(film, plugin="pyav").shape[2] == MAIN + MAIN // 3  # three panels beside the camera


def test_a_long_strip_has_room_for_all_that_it_shows(drawn: Path) -> None:
    loaded = forearm.load(drawn / "push.json", task="push")
    start = np.full((64, 64, 3), 90, np.uint8)
    imagined = loaded.imagine(start, FORWARD * 10)
    assert strip(imagined).size == (MOST * SIDE // 2, BAR + SIDE // 2)
    real = np.repeat(start[None], 21, 0)
    frames = list(imagined_film(imagined, real, start))
    assert len(frames) == 21 and frames[0].shape == (BAR + PANEL, 3 * PANEL, 3)
    assert np.array_equal(frames[4][BAR:, PANEL : 2 * PANEL], np.full((PANEL, PANEL, 3), 90))
    actions = np.array(FORWARD)
    plan = Plan(actions, np.arange(4) / 10, actions, 1.0, [], 0, 0, {}, "cem")
    shown = np.asarray(plan_picture(start, start, np.zeros((0, 2)), plan, imagined))
    assert np.array_equal(shown[BAR + 3, SIDE + 3], imagined.frames[-1][0, 0])


def test_a_decoder_is_trained_by_command_and_named_in_a_setting(
    checkpoints: Path, tmp_path: Path, capsys: Any, failing: Callable[..., str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "made"
    assert (
        main(["collect", "task=push", "episodes=4", "steps=24", "workers=1", "contact_sheet=false", f"out={data}"]) == 0
    )
    train = ["train-heads", "task=push", f"task.checkpoint={checkpoints}/push.json", f"data={data}", f"out={out}"]
    assert "unknown part 'decode'; did you mean 'decoder'?" in failing(*train, "parts=[decode]")
    few = ["parts=[decoder]", "decoder.steps=3", "decoder.width=8", "validation=0.3"]
    assert main([*train, *few]) == 0
    told = capsys.readouterr().out
    assert "pictures: copy last psnr" in told and f"decoder: {out / 'push.decoder.json'}" in told
    assert sorted(path.name for path in out.iterdir()) == ["push.decoder.json", "push.decoder.safetensors"]
    named = f"push.decoder={out / 'push.decoder.json'}"
    assert main(["imagine", *words(checkpoints, tmp_path / "i.json"), INLINE, named]) == 0
    assert task_config("push")["decoder"] is None
