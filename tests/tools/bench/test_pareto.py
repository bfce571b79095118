"""Rows that take turns and go on where they stopped; peers that begin with the rest of a plan; memory of a process."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from forearm.agent.setup import PlanningSetup
from forearm.evaluation.env_pool import environment
from tools.bench import memory, pareto
from tools.bench.contenders import PeerPlanner, ours
from tools.bench.peers import PeerRunner


class Still(PeerRunner):
    """A peer that returns what it is told to begin with, a little further."""

    proposal = None

    def begin_with(self, proposal):
        self.proposal = proposal

    def run(self):
        start = torch.zeros(self.case.variables, self.case.dims) if self.proposal is None else self.proposal
        return start + 0.1


def test_a_run_that_was_stopped_goes_on_and_begins_anew_with_other_settings(tmp_path, monkeypatch):
    path = tmp_path / "pareto.json"
    small = {"samples": 4, "iterations": 1}
    rows = [ours("random_shooting", **small), ours("predictive_sampling", **small)]
    names = [one.name for one in rows]
    first = pareto.measure(rows, dict.fromkeys(names, 1), path, (5, 6))
    both = pareto.measure(rows, {names[0]: 2, names[1]: 1}, path, (5, 6))
    assert [len(both[name]["episodes"]) for name in names] == [2, 1]
    assert all(both[name]["episodes"][0] == first[name]["episodes"][0] for name in names)
    other = [ours("random_shooting", samples=5, iterations=1)]
    begun = pareto._begun(other, (5, 6), path)
    assert begun["random_shooting"]["episodes"] == []
    assert pareto._begun(rows, (5, 6), path)[names[0]]["episodes"] == both[names[0]]["episodes"]


def test_a_row_counts_and_the_picture_shows_it(tmp_path):
    episodes = [{"solved": k > 0, "plan_ms": [10.0, 30.0], "model_evals": [64, 64]} for k in range(4)]
    row = pareto.row("cem", episodes) | {"front": True}
    assert (row["solved"], row["success"], row["p50_ms"], row["evaluations"]) == (3, 75.0, 20.0, 64.0)
    assert row["per_second"] == pytest.approx(3 / 0.16)
    peer = pareto.row("stable-worldmodel CEM", episodes) | {"front": False}
    for name in ("one.svg", "two.svg"):
        pareto.draw([row, peer], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    text = "".join(ET.parse(tmp_path / "one.svg").getroot().itertext())
    assert "stable-worldmodel CEM" in text and "success, %" in text


def test_a_peer_begins_with_the_rest_of_the_plan_before():
    setup = PlanningSetup.resolve("push", "cem").in_env(environment("push", "front", 64))
    peer = SimpleNamespace(make=Still, bounded=True)
    planner = PeerPlanner(peer, setup, 8, 1, {})
    model = setup.latent_model()
    frame = np.zeros((64, 64, 3), np.uint8)
    model.begin([frame])
    model.observe(0, {"pixels": frame}, None)
    draw = [torch.Generator().manual_seed(0)]
    [first] = planner.plan(model.problem([0]), draw)
    [second] = planner.plan(model.problem([0]), draw, [first], 4)
    assert first.actions.shape == (16, 4) and np.allclose(first.actions, 0.1)
    assert np.allclose(second.actions[:12], 0.2) and np.allclose(second.actions[12:], 0.1)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not say")
def test_the_memory_of_a_command_is_that_of_its_processes_too():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(80 << 20); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        with memory.watched(process.pid) as seen:
            while max(seen) < 80:
                assert process.poll() is None
        assert process.stdin is not None
        process.stdin.write(b"\n")
    assert 80 < max(seen) < 200 and memory.held(process.pid) == 0.0
