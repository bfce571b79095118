"""The benchmark's statistics, its two forms of one problem, and a tiny run from end to end without peers."""

import json
import math
import re
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tools.bench import deadlines, lewm, overhead, peers, quality, runners, scaling, timing, training
from tools.bench.__main__ import main, sections
from tools.bench.bootstrap import mean_ratio, median, ratio_of_medians
from tools.bench.budget import Budget
from tools.bench.cases import empty_case, mlp_case, push_case
from tools.bench.curves import curves, draw, figure, planner_at, split
from tools.bench.page import SECTIONS
from tools.render import figures
from tools.render.pages import render

DOCS = Path(__file__).parents[3] / "docs"
TINY = Budget(
    rounds=3,
    problems=2,
    tuning=1,
    threads=(1,),
    horizons=(3,),
    peer_samples=16,
    peer_iterations=2,
    lewm_iterations=1,
    lewm_rounds=1,
    training_rounds=2,
    training_steps=2,
)


@pytest.fixture(autouse=True)
def no_peers(monkeypatch):
    """Whether peers are installed must not decide what is tested."""
    for module in (overhead, quality):
        monkeypatch.setattr(module, "available", dict)


def test_median_and_ratios_of_constant_times_have_no_width():
    assert median([2.0] * 9).to_dict() == {"value": 2.0, "low": 2.0, "high": 2.0}
    assert ratio_of_medians([1.0] * 7, [4.0] * 7).to_dict(100) == {"value": 25.0, "low": 25.0, "high": 25.0}
    assert mean_ratio([1.0, 2.0, 4.0], [2.0, 4.0, 8.0]).value == pytest.approx(0.5)


def test_a_paired_interval_is_not_widened_by_what_both_share():
    rng = np.random.default_rng(0)
    difficulty = np.exp(rng.normal(0.0, 2.0, 50))
    ours, theirs = 0.3 * difficulty * np.exp(rng.normal(0.0, 0.05, 50)), difficulty
    interval = mean_ratio(ours, theirs)
    assert interval.low < 0.3 < interval.high
    assert interval.high - interval.low < 0.02


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        interval = mean_ratio(np.exp(rng.normal(0.2, 0.3, 40)), np.ones(40))
        hits += interval.low <= math.exp(0.2) <= interval.high
    assert 85 <= hits <= 100


@pytest.mark.parametrize("function", [ratio_of_medians, mean_ratio])
def test_what_cannot_be_paired_is_refused(function):
    with pytest.raises(ValueError, match="paired"):
        function([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="one row"):
        function([], [])
    with pytest.raises(ValueError, match="positive"):
        mean_ratio([1.0, 0.0], [1.0, 1.0])


def test_rounds_take_turns_and_reset_before_each_run():
    log = []

    class Logging:
        def __init__(self, name):
            self.name = name

        def reset(self, seed):
            log.append(("reset", self.name))

        def run(self):
            log.append(("run", self.name))

    taken = timing.rounds({"a": Logging("a"), "b": Logging("b")}, repeats=3, warmup=1)
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 3, "b": 3}
    assert log[0::2] == [("reset", name) for _, name in log[1::2]]
    runs = [name for kind, name in log if kind == "run"]
    assert [runs[i : i + 2] for i in range(0, 8, 2)] == [["b", "a"], ["a", "b"], ["b", "a"], ["a", "b"]]


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with timing.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("smooth", [True, False])
def test_both_forms_of_a_problem_cost_the_same_and_it_can_be_solved(smooth):
    case = mlp_case(3, 5, smooth=smooth)
    [candidates] = case.random_candidates(20, 1)
    with torch.inference_mode():
        whole, steps = case.evaluate(candidates), case.evaluate_steps(candidates)
    assert whole.shape == (1, 20)
    torch.testing.assert_close(whole, steps)
    assert case.cost_of(candidates[0, 0]) == pytest.approx(float(whole[0, 0]), rel=1e-4)
    assert runners.Ours(runners.at_budget("cem", case, 64, 12), case).run().cost < 0.2 * float(whole.min())


def test_with_its_prior_a_search_on_push_begins_where_things_happen():
    without, with_prior = (push_case(0, prior=prior) for prior in (False, True))
    first = [
        runners.Ours(runners.at_budget("gradient", case, 9, 1, prior_share=1.0), case).run().cost
        for case in (without, with_prior)
    ]
    assert first[1] < first[0]


@pytest.mark.parametrize("name", runners.suited(empty_case(4, 300)))
def test_every_planner_runs_at_every_budget_of_the_picture(name):
    case = empty_case(4, 300)
    for evaluations in (10, 100, 1000):
        planner = planner_at(name, case, evaluations)
        plan = runners.Ours(planner, case).run()
        assert 1 <= plan.model_evals <= 2 * evaluations
    assert split(10_000) == (250, 40)


def test_time_to_quality_finds_the_fewest_iterations():
    case = mlp_case(0, 3)
    setting = quality.Setting.of("cem", {"samples": 16, "noise_beta": 0.5, "no_such": 1})
    assert dict(setting.chosen) == {"samples": 16, "noise_beta": 0.5}
    runner = setting.runner(case, 6)
    runner.reset(0)
    costs = runner.run().cost_per_iteration
    assert quality.iterations_to(setting, case, costs[3], TINY) == costs.index(costs[3]) + 1
    assert quality.iterations_to(setting, case, -1.0, TINY) is None


def test_our_settings_are_chosen_by_what_reaches_the_aim():
    case = mlp_case(1, 3)
    seconds, setting = quality.quickest("cem", [case], [0.9 * case.cost_of(torch.zeros(3, 5))], TINY)
    assert seconds > 0 and setting is not None and setting.name == "cem"
    assert quality.quickest("cem", [case], [-1.0], TINY) == (math.inf, None)


def test_peers_have_their_defaults_first_in_their_grids():
    for peer in peers.PEERS.values():
        tried = list(peer.settings())
        assert tried[0] == {} and len(tried) == 1 + math.prod(map(len, peer.grid.values()))


def test_sections_are_measured_without_peers_and_without_a_renderer(tmp_path):
    short = replace(TINY, peer_iterations=1)
    measured = {
        "overhead": overhead.overhead(TINY),
        "quality": quality.time_to_quality(TINY, push=False),
        "share": overhead.share(TINY, push=False),
        "scaling": scaling.scaling(short),
    }
    where = {**figures.about("bench", []), "peers": {}}
    for name, found in measured.items():
        figures.save(tmp_path, "benchmarks", name, where | {"figures": found})
    text = render(tmp_path, "benchmarks")
    assert text.count("\n## ") == 4 and "nan" not in text and "peers: none installed" in text
    for name in runners.samplers():
        assert name in text


def test_deadlines_are_counted():
    found = deadlines.deadlines(replace(TINY, deadline_plans=2))
    assert found["plans"] == 2 and len(found["rows"]) == len(deadlines.PLANNERS) * len(deadlines.DEADLINES_MS)
    for row in found["rows"]:
        assert {row["in_time_percent"], row["one_more_percent"]} <= {0.0, 50.0, 100.0}
        assert row["in_time_percent"] <= row["one_more_percent"]
        assert row["p50_ms"] <= row["p99_ms"] <= row["worst_ms"] and row["iterations"]["least"] >= 1


def test_training_stands_beside_its_floor():
    small = {
        "width": 8, "latent_dim": 8, "predictor_width": 16, "train.precision": "float32", "train.batch": 8,
        "train.validate_every": 4, "train.save_every": 8,
    }  # fmt: skip
    words = " ".join(f"world_model.{key}={value}" for key, value in small.items())
    [row] = training.training(TINY, runs=[words], episodes=4)["rows"]
    assert row["settings"] == words and row["precision"] == "float32"
    assert all(row[name] > 0 for name in ("loop", "bare", "regulariser", "loader"))
    assert 0 < row["periodic_percent"] < 100
    assert row["share"]["value"] == pytest.approx(row["loop"] / row["bare"])


ROUNDS = st.lists(st.floats(1e-3, 10.0), min_size=5, max_size=5).map(np.array)
TAKEN = st.fixed_dictionaries(dict.fromkeys(("bare", "steps", "regulariser", "loader", "validation", "saving"), ROUNDS))


@settings(max_examples=20, deadline=None)
@given(TAKEN, st.integers(1, 50), st.integers(1, 50))
def test_what_comes_now_and_then_counts_by_how_often_it_comes(taken, validate_every, save_every):
    """Whatever was timed: the loop is its steps alone where nothing else comes, and slower the more often it does."""

    def found(**every):
        return training.speeds(taken, 720, 10, **{"validate_every": validate_every, "save_every": save_every} | every)

    usual, free = found(), found(validate_every=10**12, save_every=10**12)
    assert free["loop"] == pytest.approx(720 / np.median(taken["steps"])) and free["periodic_percent"] < 1e-3
    for rarer in (found(validate_every=2 * validate_every), found(save_every=2 * save_every)):
        assert usual["loop"] <= rarer["loop"] <= free["loop"] * (1 + 1e-9)
        assert usual["periodic_percent"] >= rarer["periodic_percent"]
    # A round of steps that holds a whole validation and a whole saving takes as long as the three of them.
    whole = {**taken, "steps": taken["steps"] + taken["validation"] + taken["saving"]}
    once = training.speeds(whole, 720, 10, validate_every=10**12, save_every=10**12)
    assert found(validate_every=10, save_every=10)["loop"] == pytest.approx(once["loop"])
    for each in (usual, free):
        assert each["share"]["value"] == pytest.approx(each["loop"] / each["bare"])
        assert each["share"]["low"] <= each["share"]["value"] <= each["share"]["high"]


def test_curves_are_drawn(tmp_path):
    found = curves([mlp_case(0, 3)], (10, 100))
    assert all(set(points) == {10, 100} for points in found.values())
    [axes] = figure({"learned": found}).axes
    drawn = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    assert set(drawn) == set(found) and len({line.get_color() for line in axes.get_lines()}) == len(found)
    for name, points in found.items():
        np.testing.assert_allclose(drawn[name], [(10, points[10][0]), (100, points[100][0])])
    draw({"learned": found}, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        assert image.format == "PNG" and len(image.convert("RGB").getcolors(1 << 20)) > len(found)


def test_every_section_of_the_page_is_measured(tmp_path):
    assert set(sections(TINY, tmp_path)) == set(SECTIONS)


def test_a_predictor_of_the_published_shape_is_causal():
    case = lewm.lewm_case(torch.device("cpu"), width=32, depth=2, steps=4)
    model, state = case.problem.dynamics, case.problem.state
    actions = torch.randn(1, 3, 4, lewm.BLOCK)
    with torch.inference_mode():
        before = model.rollout(state, actions)
        actions[:, :, 2:] += 1.0
        after = model.rollout(state, actions)
    assert before.shape == (1, 3, 4, 32)
    torch.testing.assert_close(before[:, :, :2], after[:, :, :2])
    assert not torch.allclose(before[:, :, 2:], after[:, :, 2:])


def test_the_command_writes_page_and_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tools.bench.__main__.QUICK", TINY)
    place = ["--docs", str(tmp_path)]
    assert main(["--quick", "--only", "overhead", *place]) == 0
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "## Overhead" in text and "**A quick run: too few repetitions to quote.**" in text
    document = json.loads((tmp_path / "data" / "benchmarks" / "overhead.json").read_text(encoding="utf-8"))
    assert document["machine"]["cores"] >= 1 and document["figures"]["tables"][0]["horizon"] == 3
    assert document["command"] == "make bench BENCH_ARGS='--quick --only overhead'"  # not where the page went
    # A section alone joins those that were measured before it.
    monkeypatch.setattr("tools.bench.__main__.FULL", TINY)
    monkeypatch.setattr(lewm, "SAMPLES", 8)
    assert main(["--only", "lewm", *place]) == 0
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert text.index("## Overhead") < text.index("## A plan of") and text.count("load average when it began") == 2
    assert main(["--only", "nonsense", *place]) == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.fixture
def clone(tmp_path):
    """The figures and pages of a fresh clone."""
    shutil.copytree(DOCS / "data", tmp_path / "data")
    for page in DOCS.glob("*.md"):
        shutil.copy(page, tmp_path)
    return tmp_path


def parts(docs):
    """Of the page of benchmarks: the text of every section by its title, and of every file of figures by its name."""
    _, *sections = re.split(r"^## ", (docs / "benchmarks.md").read_text(encoding="utf-8"), flags=re.M)
    files = {path.name: path.read_bytes() for path in sorted((docs / "data").rglob("*.json"))}
    return {section.partition("\n")[0]: section for section in sections}, files


def test_in_a_fresh_clone_a_section_measured_alone_leaves_all_others(clone, monkeypatch):
    monkeypatch.setattr("tools.bench.__main__.FULL", TINY)
    monkeypatch.setattr(lewm, "SAMPLES", 8)
    before, files = parts(clone)
    assert len(before) >= 10
    assert main(["--only", "lewm", "--docs", str(clone)]) == 0
    after, now = parts(clone)
    changed = {title for title in before if after[title] != before[title]}
    assert list(after) == list(before) and changed == {"A plan of LeWorldModel's size (cpu)"}
    assert {name for name in now if now[name] != files[name]} == {"lewm.json"} and set(now) == set(files)
    # What was measured on a machine with a GPU says so.
    assert all(("on another machine: NVIDIA" in text) == ("cuda)" in title) for title, text in after.items())


def test_a_run_that_is_cut_short_keeps_what_is_done_and_what_there_was(clone, monkeypatch):
    monkeypatch.setattr("tools.bench.__main__.FULL", replace(TINY, rounds=2, peer_iterations=1))

    def cut(budget):
        raise KeyboardInterrupt

    monkeypatch.setattr(deadlines, "deadlines", cut)
    _, files = parts(clone)
    with pytest.raises(KeyboardInterrupt):
        main(["--only", "deadlines", "overhead", "--docs", str(clone)])
    text, now = parts(clone)
    assert {name for name in now if now[name] != files[name]} == {"overhead.json"} and set(now) == set(files)
    assert any("--only deadlines overhead" in section for section in text.values())


def test_figures_that_cannot_be_read_are_told_before_hours_of_measuring(clone, monkeypatch, capsys):
    (clone / "data" / "benchmarks" / "share.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(overhead, "overhead", lambda budget: pytest.fail("it was measured"))
    assert main(["--only", "overhead", "--docs", str(clone)]) == 2
    assert "share.json is no JSON" in capsys.readouterr().err.splitlines()[-1]


def test_a_peer_whose_noise_nobody_seeds_is_handed_a_stream(monkeypatch):
    """As pytorch-icem draws: by a function of another module that makes itself a generator if it is given none."""

    def noise(exponent, size, random_state=None):
        return np.random.default_rng(random_state).normal(size=size)

    drawn = types.SimpleNamespace(powerlaw_psd_gaussian=noise)
    icem = types.ModuleType("pytorch_icem.icem")
    icem.colorednoise = drawn

    class Controller:
        def __init__(self, dynamics, trajectory_cost, nx, nu, num_samples, horizon, **settings):
            self.dynamics, self.cost, self.shape = dynamics, trajectory_cost, (num_samples, horizon)

        def reset(self):
            self.kept_elites = None

        def command(self, state, shift_nominal_trajectory):
            noise = icem.colorednoise.powerlaw_psd_gaussian(3, size=(self.shape[0], self.nu, self.shape[1]))
            actions = 0.1 * torch.from_numpy(noise.transpose(0, 2, 1)).float()
            states, current = [], state.expand(len(actions), -1)
            for t in range(actions.shape[1]):
                current = self.dynamics(current, actions[:, t])
                states.append(current)
            costs = self.cost(torch.stack(states, dim=1), actions)
            self.kept_elites = actions[costs.argsort()[:2]]

    icem.iCEM = Controller
    package = types.ModuleType("pytorch_icem")
    package.icem, package.iCEM = icem, Controller
    monkeypatch.setitem(sys.modules, "pytorch_icem", package)
    monkeypatch.setitem(sys.modules, "pytorch_icem.icem", icem)
    case = mlp_case(0, 3)
    runner, other = (peers.PytorchICEM(case, 16, 2, watch=True) for _ in range(2))
    first = runner.quality(seed=0)
    assert runner.quality(seed=1) != first
    assert runner.quality(seed=0) == first == other.quality(seed=0)
    assert icem.colorednoise is drawn  # as it was found


@pytest.mark.parametrize("name", sorted(peers.PEERS))
def test_every_peer_that_is_installed_repeats(name):
    if name not in peers.available():
        pytest.skip(f"{name} is not installed")
    assert quality.repeats(peers.PEERS[name], {}, mlp_case(0, 3), TINY)
    assert quality.repeats(peers.PEERS[name], {}, mlp_case(1, 5), TINY)


def test_a_peer_that_does_not_repeat_is_found_out():
    costs = iter(range(10))
    made = types.SimpleNamespace(quality=lambda seed: next(costs))
    unsteady = peers.Peer("x", lambda *_, **__: made, True, True, {})
    assert not quality.repeats(unsteady, {}, mlp_case(0, 3), TINY)
