"""Zarr replay buffers as diffusion policy writes them: `data/{img,state,action}`, `meta/episode_ends`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

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

SUFFIXES = (".zarr", ".zarr.zip")


def recorded(path: Path, asked: Asked) -> Recorded:
    """What is in such a buffer; raises `ForearmError` for one that is none, not whole, or lacks what is asked for."""
    with _opened(path) as root:
        arrays = {key: root["data"][key] for key in sorted(root["data"])}
        ends = np.asarray(root["meta"]["episode_ends"][:])
        total = int(ends[-1]) if len(ends) else 0
        if ends.ndim != 1 or ends.dtype.kind not in "iu" or total < 1 or (np.diff(ends, prepend=0) < 1).any():
            raise ForearmError(f"{path}: meta/episode_ends are no rising ends of episodes")
        cameras = [key for key, array in arrays.items() if array.ndim == 4]
        camera = one_of(path, "camera", "camera_key", asked.camera, cameras)
        rest = [key for key in arrays if key not in cameras]
        state = all_of(path, "joint readings", "state_key", asked.state, ["state"], rest)
        action = all_of(path, "commands", "action_key", asked.action, ["action"], rest)
        for key in (camera, *state, *action):
            if arrays[key].shape[0] != total:
                raise ForearmError(
                    f"{path}: {key} has {arrays[key].shape[0]} moments, its episodes {total}: it is not whole"
                )
            _check_chunks(path, key, arrays[key])
        size = pictures(arrays[camera][:1], f"{path}: {camera}").shape[1:3]
        widths = {key: int(np.prod(arrays[key].shape[1:])) for key in (*state, *action)}
        return Recorded(
            np.diff(ends, prepend=0).tolist(), (size[0], size[1]), rate(path, asked.fps, None), camera,
            components({key: widths[key] for key in state}), components({key: widths[key] for key in action}),
            lambda: _episodes(path, ends.tolist(), camera, state, action),
        )  # fmt: skip


def _episodes(path: Path, ends: list[int], camera: str, state: list[str], action: list[str]) -> Iterator[Episode]:
    with _opened(path) as root:
        data = root["data"]
        for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
            where = f"{path}: episode {number}"

            def rows(keys: list[str], part: slice = slice(begin, end), where: str = where) -> np.ndarray:
                length = part.stop - part.start
                return np.concatenate([numbers(data[key][part], length, f"{where}: {key}") for key in keys], axis=1)

            pixels = pictures(data[camera][begin:end], f"{where}: {camera}")
            yield Episode(pixels, rows(state), rows(action))


def _check_chunks(path: Path, key: str, array: Any) -> None:
    """Raise `ForearmError` where chunks of an array are missing: they would be read as zeros."""
    wanted, there = getattr(array, "nchunks", None), getattr(array, "nchunks_initialized", None)
    if wanted is not None and there is not None and there < wanted:
        raise ForearmError(
            f"{path}: {wanted - there} of {wanted} chunks of {key} are missing, which would read as zeros: copy it "
            "again, or write it with write_empty_chunks=True"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import zarr
    except ModuleNotFoundError:
        raise ForearmError(NEEDS.format(what=f"{path.name}, a zarr buffer,")) from None
    store = zarr.storage.ZipStore(path, mode="r") if path.suffix == ".zip" else None
    try:
        yield zarr.open_group(str(path) if store is None else store, mode="r")
    except ForearmError:
        raise
    except KeyError as error:
        raise ForearmError(f"{path}: is no replay buffer: it lacks {one_line(error)}") from error
    except Exception as error:  # its codecs report damaged chunks each in its own way
        raise ForearmError(f"{path}: cannot be read whole ({one_line(error) or type(error).__name__})") from error
    finally:
        if store is not None:
            store.close()
