import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

pytest.importorskip("websockets")

from tools.reliability import misfortunes
from tools.reliability.__main__ import main, problems
from tools.reliability.faults import FAULTS, all_faults


@pytest.mark.slow
def test_no_fault_breaks_a_limit_and_the_arm_moves_again_after_each() -> None:
    found = all_faults(2.0)
    assert set(found) == set(FAULTS)
    for name, row in found.items():
        assert row["violations"] == 0 and row["moved_after"], name
    for name in ("no frames", "NaN joint readings", "frames of another size"):
        assert found[name]["counts"]["stale"] >= 1 and found[name]["moving"] < 0.5
    assert found["nothing"]["moving"] > 0.9 and "stale" not in found["nothing"]["counts"]


@pytest.mark.slow
def test_a_misfortune_stops_the_arm_until_a_reset(monkeypatch: Any) -> None:
    monkeypatch.setattr(misfortunes, "CLOCKS", dict([next(iter(misfortunes.CLOCKS.items()))]))
    monkeypatch.setattr(misfortunes, "FRAMES", dict([next(iter(misfortunes.FRAMES.items()))]))
    found = misfortunes.all_misfortunes(1)
    assert len(found) == 3
    for name, row in found.items():
        assert (row["violations"], row["faults"], row["again"]) == (0, 1, 1), (name, row)
        assert row["rest_after_s"] is not None and row["rest_after_s"] <= 1.0, (name, row)


@pytest.mark.slow
def test_the_page_says_what_was_run(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "reliability.md"
    load = ["--malformed", "50", "--clients", "2", "--client-requests", "2", "--requests", "30"]
    none = ["--fault-seconds", "0", "--misfortunes", "0", "--arrivals", "0"]
    words = ["--seconds", "3", "--episodes", "1", *none, *load]
    assert main([*words, "--found", str(tmp_path / "found.json"), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert "## In real time" in text and "## With bad input" not in text
    assert "| commands | 300 |" in text and "| limit violations | 0 |" in text
    assert (
        "50 malformed messages" in text and "| 2 clients at once, beside one that never reads: answered | 4 |" in text
    )
    assert "moves again when a server is back; violations | yes; 0 |" in text
    assert "the one that never reads was cut off | yes |" in text and "(a defect) | 0 |" in text


def test_one_part_alone_leaves_the_others_on_the_page(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--only", "requests", "--requests", "20"]) == 0
    assert main(["--only", "episodes", "--episodes", "1"]) == 0
    text = (tmp_path / "docs/reliability.md").read_text(encoding="utf-8")
    assert "| reach | 1 of 1 | 0 |" in text and "| 20 requests" in text and "## With bad input" not in text
    assert "--only requests --requests 20'` |" in text and "--only episodes --episodes 1'` |" in text


def test_what_is_not_as_it_should_be_is_said() -> None:
    row = {"violations": 0, "moved_after": True}
    killed = {"violations": 0, "moved_again": True, "rest_after_s": 1.0}
    clients = {"answered": 4, "asked": 4, "slow_cut_off": True}
    server = {"killed": killed, "malformed": {"defects": 0, "grown_mb": 0.1}, "clients": clients}
    server["requests"] = {"mb_at_a_tenth": 300.0, "mb_at_the_end": 301.0}
    good = {"soak": {"violations": 0, "grown_mb": float("nan")}, "faults": {"NaN": row}, "server": server}
    assert problems(good) == [] and problems({"server": {}}) == []
    for part, key, value in (
        ("faults", "NaN", {**row, "violations": 1}),
        ("faults", "NaN", {**row, "moved_after": False}),
        ("server", "killed", {**killed, "rest_after_s": None}),
        ("server", "malformed", {"defects": 1, "grown_mb": 0.1}),
        ("server", "malformed", {"defects": 0, "grown_mb": 50.0}),
        ("server", "requests", {"mb_at_a_tenth": 300.0, "mb_at_the_end": 400.0}),
        ("server", "clients", {**clients, "answered": 3}),
        ("server", "clients", {**clients, "slow_cut_off": False}),
    ):
        assert len(problems({**good, part: {**good[part], key: value}})) == 1
