"""From recordings of any known format to one LeRobotDataset v3 folder, whole or not at all."""

import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from forearm.common import stored
from forearm.common.addresses import address, cache_root
from forearm.common.files import send
from forearm.common.progress import Count
from forearm.errors import ForearmError, InputError
from forearm.integrations.convert import bag, replay_buffer, robomimic
from forearm.integrations.convert.recorded import Asked, Recorded
from forearm.world_model.data import DatasetWriter, layout

MEMORY = 2**29
"""Bytes of pictures that are kept at once, about."""
LEROBOT = "convert_dataset_v21_to_v30.py --repo-id=OWNER/NAME"
"""LeRobot's own converter, from v2.1 to v3.0; where it lies differs between releases."""


def convert(paths: Sequence[Path], out: Path, asked: Asked, progress: Count | None = None) -> dict[str, Any]:
    """Write recordings, one after the other, as a LeRobotDataset v3 folder; returns its `meta/info.json`.

    Raises `ForearmError` for a format that is not known, a recording that cannot be read whole or differs from the
    first in its columns, and a folder that is there already. Then nothing is written.
    """
    there = address(out) is not None
    if stored.look(out) if there else out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ForearmError(f"out={out}: is there already; choose a new folder")
    found = [understood(path)(path, asked) for path in paths]
    first = found[0]
    for path, other in zip(paths[1:], found[1:], strict=True):
        for name in ("size", "fps", "camera", "state_names", "action_names"):
            if getattr(other, name) != getattr(first, name):
                raise ForearmError(
                    f"{path}: its {name.replace('_', ' ')}, {_shown(getattr(other, name))}, are not those of "
                    f"{paths[0]}, {_shown(getattr(first, name))}"
                )
    name = f".{out.name}.{uuid.uuid4().hex[:12]}.tmp"
    partial = cache_root() / name if there else out.with_name(name)
    try:
        info = _written(paths, found, partial, progress)
        if there:
            send(partial, out, layout.INFO_PATH)
            return info
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise ForearmError(f"out={out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return info


def understood(path: Path) -> Callable[[Path, Asked], Recorded]:
    """What reads a recording of this format; raises `ForearmError` where there is none."""
    if not path.exists():
        raise ForearmError(f"{path}: no such file or folder")
    if path.name.endswith(robomimic.SUFFIXES):
        return robomimic.recorded
    if path.name.endswith(replay_buffer.SUFFIXES) or (path / "meta/episode_ends").is_dir():
        return replay_buffer.recorded
    if bag.is_bag(path):
        return bag.recorded
    if (info := path / "meta/info.json").is_file():
        version = _version(info)
        if version.startswith("v3"):
            raise ForearmError(f"{path}: is a LeRobotDataset {version} already: train on it as it is")
        raise ForearmError(
            f"{path}: is a LeRobotDataset {version}: make it v3.0 by the script that comes with lerobot, {LEROBOT}"
        )
    raise ForearmError(
        f"{path}: is of no known format: expected {', '.join((*robomimic.SUFFIXES, *replay_buffer.SUFFIXES))}, "
        f"{', '.join(bag.SUFFIXES)}, or the folder of a rosbag2"
    )


def _written(paths: Sequence[Path], found: Sequence[Recorded], out: Path, progress: Count | None) -> dict[str, Any]:
    first = found[0]
    lengths = [length for each in found for length in each.lengths]
    heaviest = max(lengths) * first.size[0] * first.size[1] * 3
    writer = DatasetWriter(
        out, fps=first.fps, resolution=first.size, state_names=first.state_names, action_names=first.action_names,
        task=paths[0].name.partition(".")[0], total_episodes=len(lengths), robot_type="unknown",
        camera_key=_camera_key(first.camera), fingerprint={"converted from": [path.name for path in paths]},
        shard_episodes=max(1, min(25, MEMORY // heaviest)),
    )  # fmt: skip
    episodes = chain.from_iterable(each.episodes() for each in found)
    for shard in range(writer.shards):
        numbers = writer.shard_range(shard)
        try:
            writer.write_shard(shard, list(islice(episodes, len(numbers))))
        except InputError as error:
            raise ForearmError(f"{', '.join(map(str, paths))}: {error}") from error
        if progress is not None:
            progress(numbers.stop, len(lengths))
    return writer.finalise()


def _camera_key(name: str) -> str:
    return name if name.startswith("observation.images.") else f"observation.images.{name}"


def _version(info: Path) -> str:
    try:
        return str(json.loads(info.read_text(encoding="utf-8"))["codebase_version"])[:20]
    except (OSError, ValueError, KeyError, TypeError):
        raise ForearmError(f"{info}: cannot be read") from None


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
