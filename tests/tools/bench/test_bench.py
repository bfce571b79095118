"""The benchmark's statistics, its two forms of one problem, and a tiny run from end to end without peers."""

import json
import math
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from tools.bench import deadlines, lewm, overhead, page, peers, quality, runners, scaling, timing, training
from tools.bench.__main__ import main, text_of
from tools.bench.bootstrap import mean_ratio, median, ratio_of_medians
from tools.bench.cases import empty_case, mlp_case, push_case
from tools.bench.curves import curves, draw, planner_at, split

TINY = page.Budget(
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
    assert ratio_of_medians([1.0] * 7, [4.0] * 7).text() == "0.25 [0.25, 0.25]"
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


def test_tables_are_made_without_peers_and_without_a_renderer(tmp_path):
    parts = [
        overhead.overhead(TINY),
        quality.time_to_quality(TINY, push=False),
        overhead.share(TINY, push=False),
        scaling.scaling(page.Budget(rounds=3, problems=1, tuning=1, threads=(1,), horizons=(3,), peer_iterations=1)),
    ]
    for part in parts:
        json.dumps(part.data, allow_nan=False)
    about = {"date": "today", "command": "make bench", "machine": page.machine(), "peers": {}}
    text = text_of([{**about, "text": {"title": part.title, "lines": part.lines}} for part in parts])
    assert text.count("\n## ") == 4 and "nan" not in text
    for name in runners.samplers():
        assert name in text


def test_deadlines_are_counted():
    section = deadlines.deadlines(replace(TINY, deadline_plans=2))
    assert len(section.data) == len(deadlines.PLANNERS) * len(deadlines.DEADLINES_MS)
    for measured in section.data.values():
        assert len(measured["wall_ms"]) == 2 and min(measured["iterations"]) >= 1
    assert section.markdown().count("| 200 |") == len(deadlines.PLANNERS)


def test_training_stands_beside_its_floor():
    small = {
        "width": 8, "latent_dim": 8, "predictor_width": 16, "train.precision": "float32", "train.batch": 8,
        "train.validate_every": 4, "train.save_every": 8,
    }  # fmt: skip
    words = " ".join(f"world_model.{key}={value}" for key, value in small.items())
    section = training.training(TINY, runs=[words], episodes=4)
    measured = section.data[f"CPU, {words}"]
    seconds, speeds = measured["seconds"], measured["frames_per_s"]
    assert all(len(taken) == 2 for taken in seconds.values()) and min(speeds.values()) > 0
    # Two steps take half of a validation and a quarter of a save with them, and 8 windows have 9 frames each.
    parts = (seconds[key] for key in ("steps", "validation", "saving"))
    loops = [a + b / 2 + c / 4 for a, b, c in zip(*parts, strict=True)]
    assert speeds["loop"] == pytest.approx(2 * 8 * 9 / np.median(loops))
    assert measured["share"]["value"] == pytest.approx(np.median(seconds["bare"]) / np.median(loops))
    assert words in section.markdown()


def test_curves_are_drawn(tmp_path):
    found = curves([mlp_case(0, 3)], (10, 100))
    assert all(set(points) == {10, 100} for points in found.values())
    draw({"learned": found}, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


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
    words = ["--quick", "--only", "overhead", "--out", str(tmp_path / "page.md"), "--json", str(tmp_path / "json")]
    assert main(words) == 0
    assert "## Overhead" in (tmp_path / "page.md").read_text(encoding="utf-8")
    document = json.loads((tmp_path / "json" / "overhead.json").read_text(encoding="utf-8"))
    assert document["machine"]["cores"] >= 1 and "horizon 3, threads 1" in document["data"]
    # A section alone joins those that were measured before it.
    monkeypatch.setattr("tools.bench.__main__.FULL", TINY)
    assert main(["--only", "scaling", *words[3:]]) == 0
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert text.index("## Overhead") < text.index("## Scaling") and text.count("load average when it began") == 2
    # One that was measured on a machine with a GPU stays, and says so.
    document |= {"machine": {**document["machine"], "gpu": "a GPU"}, "text": {"title": "Scaling (cuda)", "lines": []}}
    (tmp_path / "json" / "scaling-gpu.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(["--only", "scaling", *words[3:]]) == 0
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert text.count("on another machine: a GPU") == 1 and text.index("(cuda)") < text.index("on another machine")
    assert main(["--only", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


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
