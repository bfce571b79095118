"""`forearm imagine`: what a world model expects of commands that somebody gives it, as pictures and distances."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console

from forearm.agent.imagination import Imagined, commands_of
from forearm.agent.loaded_model import LoadedModel
from forearm.cli.scene import Scene, check_given, scene_of
from forearm.common.addresses import told
from forearm.common.files import replacing, write_json
from forearm.common.parallel import import_modules, one_thread
from forearm.common.reading import here
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import has_simulator
from forearm.settings import compose as settings
from forearm.settings import paths as output

VERSION = 1
STRIP, FILM = ".png", ".mp4"


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("imagine", overrides)
    import_modules(chosen["use"])
    task = chosen.one("task")
    simulated = has_simulator(task["name"])
    seed, episode = chosen["seed"], chosen["episode"]
    out = output.file("out", chosen["out"])
    picture = output.file("picture", chosen["picture"] or str(out.with_suffix(STRIP)))
    if picture.suffix not in (STRIP, FILM):
        raise ForearmError(f"picture={picture}: name a file that ends with {STRIP} (a strip) or {FILM} (a film)")
    if picture == out:
        raise ForearmError(f"out={out} and the picture would be one file; name out=....json")
    if chosen["actions"] is None:
        raise ForearmError("give the commands to imagine: actions=FILE (.json, .csv), or actions=[[0.5,0,0,0],...]")
    check_given(task["name"], chosen["start"], simulated)
    loaded = LoadedModel(task)
    spec, names = loaded.action_spec, list(loaded.document.get("action_names") or [])
    actions = commands_of(read_commands(chosen["actions"]), spec, names)
    scene = scene_of(loaded, chosen, simulated, seed, episode)
    if chosen["real"] and not scene.sampled:
        raise ForearmError("real=true carries the commands out in the simulator: leave out start= to sample it")
    with one_thread():
        imagined = loaded.imagine(scene.start, actions, goal=scene.goal, proprio=scene.proprio)
        real = _carried_out(scene, actions, imagined.every) if chosen["real"] else None
    from forearm.cli.picture import imagined_film, strip
    from forearm.evaluation.film import write_video

    write_json(out, document_of(loaded, actions, imagined, real))
    if picture.suffix == FILM:
        write_video(picture, imagined_film(imagined, real, scene.goal), fps=max(1, round(1 / imagined.times[1])))
    else:
        with replacing(picture) as temporary:
            strip(imagined, real, scene.goal).save(temporary, format="PNG")
    console = Console()
    for line in _told(imagined):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"imagined: {told(out)}\npicture:  {told(picture)}", soft_wrap=True, highlight=False)
    return 0


def read_commands(given: Any) -> Any:
    """Rows of numbers, as they are given, or of the file that is named: a plan, a JSON list or a CSV, with or without a
    line of names.

    Raises `ForearmError` for a file that cannot be read as such.
    """
    if not isinstance(given, str):
        return given
    path = here(given)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ForearmError(f"actions={given}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        if path.suffix == ".csv":
            return _rows(text)
        found = json.loads(text)
    except ValueError as error:
        raise ForearmError(f"actions={given}: is neither JSON nor a .csv of numbers ({error})") from None
    return found.get("actions") if isinstance(found, dict) else found


def document_of(
    loaded: LoadedModel, actions: np.ndarray, imagined: Imagined, real: np.ndarray | None
) -> dict[str, Any]:
    """What is written to `out`: the commands, and of each imagined frame its time and its distance to the goal."""
    from forearm.world_model.heads.decoder import squared_error

    found = {
        "version": VERSION,
        "units": {
            "times": "s from now",
            "actions": "command units of the task, one row per control step",
            "distances": "mean squared distance of latents, under the task's metric; null without a goal",
            "errors": "mean squared error of levels in [0, 1]; null unless real=true",
        },
        "task": loaded.task["name"],
        "checkpoint": loaded.checkpoint.fingerprint,
        "action_names": loaded.document.get("action_names"),
        "actions": actions.tolist(),
        "every": imagined.every,
        "times": imagined.times.round(9).tolist(),
        "distances": None if imagined.distances is None else imagined.distances.tolist(),
        "errors": None,
    }
    if real is not None:
        drawn = [imagined.now, *imagined.frames]
        found["errors"] = {
            "imagined": [squared_error(one, came) for one, came in zip(drawn, real, strict=True)],
            "copy_last": [squared_error(real[0], came) for came in real],
        }
    return found


def _carried_out(scene: Scene, actions: np.ndarray, every: int) -> np.ndarray:
    """(M + 1, R, R, 3) what the simulator shows at the start and after each `every` of the commands."""
    assert scene.env is not None
    seen = [scene.start]
    for step, action in enumerate(actions, 1):
        observation = scene.env.step(action)[0]
        if step % every == 0:
            seen.append(observation["pixels"])
    return np.stack(seen)


def _rows(text: str) -> list[list[float]]:
    lines = [line.split(",") for line in text.splitlines() if line.strip()]
    if lines and not _numeric(lines[0]):
        del lines[0]
    return [[float(word) for word in line] for line in lines]


def _numeric(words: Sequence[str]) -> bool:
    try:
        list(map(float, words))
    except ValueError:
        return False
    return True


def _told(imagined: Imagined) -> list[str]:
    """A line on how far the commands are expected to bring the arm."""
    seconds, count = imagined.times[-1], len(imagined.frames)
    line = f"{count} frames imagined, {seconds:.2f} s"
    if imagined.distances is None:
        return [line]
    return [f"{line}; distance to the goal {imagined.distances[0]:.4g} now, {imagined.distances[-1]:.4g} at the end"]
