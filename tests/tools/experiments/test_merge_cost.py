"""Merging and copying are done in turns, each from a clean folder, and compared round by round."""

from pathlib import Path

import pytest

from tools.experiments import merge_cost


def test_each_is_done_in_turns_and_compared_with_cp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("data", "meta", ".cache"):
        (data / name).mkdir(parents=True)
        (data / name / "file").write_text(name)
    began: list[tuple[str, list[str]]] = []

    def copied(source: Path, out: Path) -> dict[str, list[list[str]]]:
        commands = usual(source, out)
        assert commands["merge"][0][1:5] == ["-m", "forearm", "data", "merge"] and set(commands) == {*found, "tables"}
        return {name: [["cp", "-r", str(source), str(out / name)]] for name in found}

    def timed(commands: list[list[str]]) -> dict[str, float]:
        began.append((commands[0][-1], sorted(path.name for path in out.iterdir())))
        return once(commands)

    usual, once, found = merge_cost._commands, merge_cost._timed, ("cp", "merge")
    monkeypatch.setattr(merge_cost, "_commands", copied)
    monkeypatch.setattr(merge_cost, "_timed", timed)
    figures = merge_cost.measured(data, out, 2)
    assert began == [(str(out / name), ["source"]) for _ in range(3) for name in found]
    assert figures["cp"]["ratio"] == {"s": 1.0, "on_disk_s": 1.0, "processor_s": 1.0}
    assert figures["merge"]["s"] > 0 and figures["merge"]["on_disk_s"] >= figures["merge"]["s"]
    assert sorted(path.name for path in (out / "merge").iterdir()) == ["data", "meta"]
