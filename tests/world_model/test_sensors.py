"""Streams of sensors: what is missing is met, what cannot be right is refused, and a model sees nothing else."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from forearm.errors import InputError
from forearm.world_model import ModelConfig
from forearm.world_model.data import DatasetError, WindowSampler, read_dataset
from forearm.world_model.data.layout import NO_CAMERA
from forearm.world_model.data.moments import SensorHold, moments_of
from forearm.world_model.data.stream_sources import read_streams
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.training.losses import unrolled

SAID: dict[str, Any] = {
    "table": "log.csv",
    "time": "t",
    "period": 0.5,
    "episode": "run",
    "longest_gap": 2.0,
    "sensors": {"fast": {"unit": "K"}, "slow": {"unit": "bar", "column": "p"}},
    "actions": {"valve": {"unit": "V", "low": 0.0, "high": 1.0}},
}
ROWS = [f"{run},{0.5 * k:.2f},{run + k % 3 + 0.25},{k if k % 3 == 0 else ''},{0.5 if k % 4 == 0 else ''}"
        for run in range(3) for k in range(13)]  # fmt: skip


def described(folder: Path, rows: list[str] = ROWS, header: str = "run,t,fast,p,valve", **changes: Any) -> Path:
    folder.joinpath("log.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    path = folder / "log.yaml"
    path.write_text(yaml.safe_dump({**SAID, **changes}), encoding="utf-8")
    return path


def test_slower_sensors_are_held_with_their_age_and_commands_until_they_change(tmp_path: Path) -> None:
    streams = read_streams(described(tmp_path), exclude=[1])
    assert [each.number for each in streams.episodes] == [0, 2] and streams.fps == 2.0
    assert streams.names == ("fast", "slow") and streams.units == ("K", "bar")
    assert streams.action_units == ("1 V",) and streams.action_bounds == ((0.0,), (1.0,))
    readings, actions = streams.episodes[1].readings, streams.episodes[1].actions
    assert np.array_equal(np.isnan(readings[:, 1]), np.arange(13) % 3 != 0) and not np.isnan(readings[:, 0]).any()
    assert (actions == 0.5).all() and actions.shape == (13, 1)
    moments = moments_of(readings, streams.names)
    assert moments[:5, 1].tolist() == [[0, 0], [0, 1], [0, 2], [3, 0], [3, 1]]
    cache = streams.cache()
    assert cache.frames.shape == (26, 2, 2) and cache.lengths.tolist() == [13, 13] and np.isfinite(cache.state).all()
    batch = WindowSampler(cache, 2, 3, 2).gather(np.array([0, 9]))
    assert batch["pixels"].shape == (2, 5, 2, 2) and batch["actions"].shape == (2, 4, 2)


def test_rows_at_any_time_fall_into_the_step_that_they_end(tmp_path: Path) -> None:
    rows = ["0,0.0,1.0,7,0.1", "0,0.3,2.0,,", "0,0.4,3.0,,0.2", "0,0.9,4.0,8,", "0,1.5,5.0,9,0.3"]
    [stream] = read_streams(described(tmp_path, rows)).episodes
    assert stream.readings[:, 0].tolist() == [1.0, 3.0, 4.0, 5.0]
    assert np.nan_to_num(stream.readings[:, 1], nan=-1).tolist() == [7.0, -1.0, 8.0, 9.0]
    assert np.allclose(stream.actions[:, 0], [0.1, 0.2, 0.2, 0.3])


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (["0,0,1,1,0", "0,0.5,2,1,0", "0,9,1,1,0"], {}, r"sensor fast is silent for 8.5 s from 0.5 s on, longer .*2"),
        (["0,0.0,1,1,0", *(f"0,{k},1,,0" for k in range(1, 5))], {}, r"sensor slow is silent for 4 s from 0 s on"),
        (["0,0,1,1,0", "0,1,2,1,", "0,2,2,1,", "0,3,2,1,"], {}, "action valve is not told for 3 s from 0 s on"),
        (["0,0,1,1,0", "0,0,2,1,0"], {}, "column t: expected rising times, not so at row 1"),
        (["0,0,1,1,", "0,1,2,1,0"], {}, "action valve is empty in the first row"),
        (["0,0,1,1,0", "0,1,2,1,3"], {}, "action valve is 3 V at 1 s, outside 0 to 1"),
        (["0,0,1,1,0", "0,1,inf,1,0"], {}, "sensor fast is infinite at row 1"),
        (["0,0,1,1,0", "0,1,x,1,0"], {}, "column fast holds something that is no number"),
        (["0,0,1,1,0", "0,1,1,1,0", "1,0,1,1,0", "0,2,1,1,0"], {}, "rows of episode 0 do not stand together"),
        (ROWS, {"time": "tt"}, "has no column tt"),
        (ROWS, {"period": 0}, "period is 0: expected seconds, above 0"),
        (ROWS, {"time_unit": "days"}, "time_unit is days: expected one of s, ms, min, h"),
        (ROWS, {"sensors": {"fast": {}}}, "sensors.fast: expected its unit"),
        (ROWS, {"sensors": {}}, "sensors: expected names"),
        (ROWS, {"sensor": {}}, "unknown 'sensor'"),
        (ROWS, {"actions": {"valve": {"unit": "V"}}}, "actions.valve: expected its bounds, low and high"),
        (ROWS, {"actions": {"valve": {"unit": "V", "low": 1, "high": 0}}}, "low is 1, expected below high, 0"),
        (ROWS, {"table": "other.csv"}, "other.csv: no such table"),
        (ROWS, {"table": "log.yaml.parquet"}, "no such table"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_told(tmp_path: Path, rows: list[str], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read_streams(described(tmp_path, rows, **changes))


def test_units_that_change_and_sensors_that_do_not_are_told(tmp_path: Path) -> None:
    rows = [f"{row},{'K' if k < 20 else 'degC'}" for k, row in enumerate(ROWS)]
    sensors = {"fast": {"unit": "K", "unit_column": "in"}}
    path = described(tmp_path, rows, "run,t,fast,p,valve,in", sensors=sensors)
    with pytest.raises(DatasetError, match=r"episode 1: sensor fast is in degC at row 7, 3.5 s, but in K by log.yaml"):
        read_streams(path)
    streams = read_streams(path, episodes=[0])
    with pytest.raises(DatasetError, match="sensor fast is in K, but checkpoint 'x' was trained on degC: convert it"):
        streams.check_like(["fast"], ["degC"], "checkpoint 'x'")
    with pytest.raises(DatasetError, match="has sensors fast, but checkpoint 'x' was trained on slow"):
        streams.check_like(["slow"], None, "checkpoint 'x'")
    constant = [row.rsplit(",", 2)[0] + ",4," + ("0.5" if row.endswith("0.5") else "") for row in ROWS]
    with pytest.raises(DatasetError, match="sensor slow is 4 throughout"):
        read_streams(described(tmp_path, constant)).check_varying()
    with pytest.raises(DatasetError, match="its sensors and actions are named in it: leave out state_key"):
        read_streams(described(tmp_path), state_key="fast")


def test_any_numeric_columns_of_a_lerobot_folder_are_streams_and_cells_may_be_empty(
    tmp_path: Path, squares: Path
) -> None:
    streams = read_streams(squares, state_key=["observation.state", "object_position"], episodes=[0, 1])
    assert streams.names == ("row", "column", "x", "y", "z") and streams.episodes[0].readings.shape == (25, 5)
    with pytest.raises(DatasetError, match="sensor z is 0 throughout"):
        streams.check_varying()
    assert read_dataset(squares, NO_CAMERA).resolution == (0, 0)
    holey = tmp_path / "holey"
    shutil.copytree(squares, holey, ignore=shutil.ignore_patterns(".cache"))
    [path] = list((holey / "data").glob("*/file-000.parquet"))
    table = pq.read_table(path)
    values = table.column("observation.state").to_pylist()
    values[3] = [None, values[3][1]]
    column = pa.array(values, table.schema.field("observation.state").type)
    table = table.set_column(table.column_names.index("observation.state"), "observation.state", column)
    pq.write_table(table, path)
    found = read_streams(holey, episodes=[0]).episodes[0].readings
    assert np.isnan(found).sum() == 1 and np.isnan(found[3, 0])
    with pytest.raises(DatasetError, match=r"observation\.state holds a number that is not finite"):
        read_dataset(holey).numbers(0)  # beside frames nothing may be missing


def model() -> JEPA:
    torch.manual_seed(0)
    sizes = {"latent_dim": 4, "width": 8, "depth": 1, "predictor_width": 16, "history": 2, "frameskip": 2}
    return JEPA(ModelConfig("sensors", proprio_dim=2, action_dim=1, **sizes)).eval()


def test_what_is_only_held_is_no_target_and_what_was_never_seen_is_the_mean() -> None:
    jepa, hold = model(), SensorHold(["a", "b"])
    first = hold.see([1.0, None])
    assert np.isnan(first[1, 0]) and hold.see([np.nan, 5.0], 2.0).tolist() == [[1.0, 2.0], [5.0, 0.0]]
    assert jepa.encode(first[None]).shape == (1, 4)
    assert torch.isfinite(jepa.state(jepa.encode(first[None]), torch.from_numpy(first[None, :, 0]))).all()
    moments = torch.zeros(3, 5, 2, 2)
    moments[..., 0] = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    batch = {"pixels": moments, "state": moments[..., 0], "actions": torch.zeros(3, 4, 2)}
    seen = unrolled(jepa, batch)[2].detach()
    moments[:, 3:, 1, 1] = 1.0  # the second sensor is held there
    changed = {**batch, "state": batch["state"].clone()}
    changed["state"][:, 3:, 1] += 100.0
    held = unrolled(jepa, changed)[2].detach()
    assert torch.isfinite(held) and abs(float(held - seen)) < 10.0
    for given, said in (
        (np.zeros((1, 2, 2), np.uint8), "this model expects float32"),
        (np.zeros((1, 3, 2), np.float32), r"\(N, 2, 2\), a value and an age"),
    ):
        with pytest.raises(InputError, match=said):
            jepa.encode(given)
    for wrong, said in (([1.0], r"shape \(1,\), expected \(2,\): a, b"), ([1.0, np.inf], "b is infinite")):
        with pytest.raises(InputError, match=said):
            hold.see(wrong)
    with pytest.raises(InputError, match="proprio_dim is 0: encoder=sensors sees readings alone"):
        ModelConfig("sensors")
    with pytest.raises(InputError, match="standardize and balance are of frames"):
        ModelConfig("sensors", proprio_dim=1, balance=True)
