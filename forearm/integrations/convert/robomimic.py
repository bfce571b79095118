"""HDF5 files as robomimic writes them, and LIBERO: `data/demo_0/{actions,obs/…}`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError, one_line
from forearm.integrations.convert.recorded import (
    NEEDS,
    Asked,
    Recorded,
    all_of,
    components,
    numbers,
    one_of,
    pictures,
    rate,
)
from forearm.world_model.data import Episode

SUFFIXES = (".hdf5", ".h5")
STATE = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
"""What robomimic's own models read."""


def recorded(path: Path, asked: Asked) -> Recorded:
    """What is in such a file; raises `ForearmError` for one that is none, is not whole, or lacks what is asked for."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise ForearmError(NEEDS.format(what=f"{path.name}, an HDF5 file,")) from None
    try:
        with h5py.File(path, "r") as file:
            return _understood(path, file["data"], asked)
    except KeyError as error:
        raise ForearmError(f"{path}: is no robomimic file ({one_line(error)})") from error
    except OSError as error:
        raise ForearmError(f"{path}: cannot be read whole ({one_line(error)}): copy it again") from error


def _understood(path: Path, data: Any, asked: Asked) -> Recorded:
    demos = sorted((name for name in data if name.startswith("demo")), key=lambda name: (len(name), name))
    if not demos:
        raise ForearmError(f"{path}: holds no demonstration, data/demo_0 and so on")
    first = data[demos[0]]
    shapes = {key: value.shape for key, value in first["obs"].items()}
    cameras = [key for key, shape in shapes.items() if len(shape) == 4]
    if not cameras:
        raise ForearmError(f"{path}: has no pictures in obs: draw them first by robomimic's dataset_states_to_obs.py")
    camera = one_of(path, "camera", "camera_key", asked.camera, cameras)
    readings = [key for key, shape in shapes.items() if len(shape) < 4]
    state = all_of(path, "joint readings", "state_key", asked.state, STATE, readings)
    [action] = all_of(path, "commands", "action_key", asked.action, ["actions"], [k for k in first if k != "obs"])
    lengths = []
    for demo in demos:
        length = len(data[demo][action])
        for key in (camera, *state):
            if len(data[demo]["obs"][key]) != length or length < 1:
                raise ForearmError(
                    f"{path}: {demo} has {length} commands and {len(data[demo]['obs'][key])} moments of {key}: "
                    "it is not whole"
                )
        lengths.append(length)
    widths = {key: int(first["obs"][key][:1].size) for key in state}
    size = pictures(first["obs"][camera][:1], f"{path}: {camera}").shape[1:3]
    return Recorded(
        lengths, (size[0], size[1]), rate(path, asked.fps, _said(data)), camera, components(widths),
        components({action: int(first[action][:1].size)}),
        lambda: _episodes(path, demos, camera, state, action),
    )  # fmt: skip


def _episodes(path: Path, demos: list[str], camera: str, state: list[str], action: str) -> Iterator[Episode]:
    import h5py
    import numpy as np

    with h5py.File(path, "r") as file:
        for demo in demos:
            one, where = file["data"][demo], f"{path}: {demo}"
            try:
                pixels = pictures(one["obs"][camera][:], f"{where}: {camera}")
                columns = [numbers(one["obs"][key][:], len(pixels), f"{where}: {key}") for key in state]
                commands = numbers(one[action][:], len(pixels), f"{where}: {action}")
            except (OSError, KeyError) as error:
                raise ForearmError(f"{where}: cannot be read whole ({one_line(error)})") from error
            yield Episode(pixels, np.concatenate(columns, axis=1), commands)


def _said(data: Any) -> float | None:
    """Frames a second, of the description of its environment."""
    try:
        said = json.loads(data.attrs["env_args"])["env_kwargs"]["control_freq"]
        return float(said)
    except (KeyError, TypeError, ValueError):
        return None
