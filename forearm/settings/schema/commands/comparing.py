"""Settings of the commands that compare planners, and say why one fails."""

from dataclasses import dataclass, field

from forearm.common import checks, durations
from forearm.settings.schema.engine import RayConfig
from forearm.settings.schema.vary import VaryConfig

HELD_OUT = 5
"""Every fifth explored episode tests the probe of a diagnosis."""


@dataclass
class CompareCommand:
    """The same episodes for every planner, with floors, ceilings and error bars.

    Attributes:
        episodes: how many, for each planner and task.
        seed: of the episodes and of the searches.
        out: folder of results.json and films; null: outputs/compare.
        baselines: rows that do not plan: random, hold, expert; and prior, which imitates (needs heads).
        learned: rows of the planners on the world model; false: no checkpoint is needed.
        oracle: add every planner on the simulator itself, with a cost of true positions; slow.
        oracle_episodes: with oracle: on this many of the first episodes.
        replan_every: control steps that are executed from each plan, or seconds, such as 0.4s; null: the task's.
        batch: episodes that are planned together in one process.
        workers: processes; null: one per core, of all machines where there are several.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
        films: first episodes of each task and planner to film.
        report: write report.html beside the results, to look at.
        to_end: after their first success episodes run on to their limit of steps, so that what is held there is
            counted too; false: they end with it, which is faster.
        model: world models in the place of the task's, several in brackets, a row each: checkpoints, or functions of
            one's own, module:function.
        live: show camera, imagination, candidates, costs and statuses while episodes run, on a page that only this
            machine can reach; needs the extra live.
        live_port: of that page; 0: any free one.
        manifest: file of forearm manifest, whose episodes are run; it brings task, protocol, seed and episodes, and
            what is said otherwise is refused; fewer episodes are the first. null: episodes are drawn.
        budget: of each plan, alike for every planner: evaluations:3000, of the model, which sets samples and
            iterations; ms:50, which sets deadline_ms. null: each has its own.
        unpaired: with results files to merge: those of other episodes are taken too, and tested as such.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    episodes: int = checks.setting(50, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str | None = None
    baselines: list[str] = field(default_factory=lambda: ["random", "hold", "expert"])
    learned: bool = True
    oracle: bool = False
    oracle_episodes: int = checks.setting(20, checks.whole, least=1)
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    batch: int = checks.setting(1, checks.whole, least=1)
    workers: int | None = checks.setting(None, checks.whole, least=1)
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    films: int = checks.setting(2, checks.whole, least=0)
    report: bool = True
    to_end: bool = True
    model: str | None = None
    vary: VaryConfig = field(default_factory=VaryConfig)
    live: bool = False
    live_port: int = checks.setting(8010, checks.whole, least=0)
    manifest: str | None = None
    budget: str | None = None
    unpaired: bool = False
    device: str | None = "cpu"


@dataclass
class ManifestCommand:
    """Episodes for comparisons, with start state, goal, seeds and a hash.

    Attributes:
        episodes: how many, for each task.
        seed: they are drawn with.
        out: file of the manifest.
        workers: processes; null: one per core, of all machines where there are several.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
    """

    episodes: int = checks.setting(50, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str = "manifest.json"
    workers: int | None = checks.setting(None, checks.whole, least=1)
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)


@dataclass
class ReportCommand:
    """Results of a comparison as one HTML file that needs no network, or as a table.

    Attributes:
        results: results.json of a comparison, or its folder; may stand without its name, forearm report FILE.
        format: html, csv, latex (booktabs) or markdown.
        out: file to write; null: report.html, .csv, .tex or .md beside the results; -: print a table.
        embed: MB of films that the page holds itself, 0: none; the others are linked. null: all of them.
    """

    results: str | None = None
    format: str = "html"
    out: str | None = None
    embed: float | None = checks.setting(32.0, checks.real, least=0.0, none=True)


@dataclass
class DiagnoseCommand:
    """Why a planner fails on a task: latents, cost, dynamics, candidates or distance.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the searches.
        out: folder of diagnosis.json and diagnosis.png; null: outputs/diagnose-<task>-<planner>.
        samples: of the planner, in every cell; true dynamics are slow. null: the planner's own.
        iterations: of the planner, in every cell; null: the planner's own.
        replan_every: control steps that are executed from each plan, or seconds, such as 0.4s; null: the task's.
        explore: episodes of the explorer that the probe of positions learns from.
        explore_steps: control steps of each, or seconds; null: the task's collect.steps.
        pools: plans of an episode whose candidates are carried out.
        pool: candidates of a plan that are carried out, at most.
        nearer: m that a candidate must end nearer to the goal to count as good.
        starts: from which the explorer goes several ways, to see how far ahead the model ranks them.
        ways: from each start.
        farthest: control steps of each way.
        workers: processes; null: one per core.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
    """

    episodes: int = checks.setting(20, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str | None = None
    samples: int | None = checks.setting(48, checks.whole, least=1, none=True)
    iterations: int | None = checks.setting(2, checks.whole, least=1, none=True)
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    explore: int = checks.setting(60, checks.whole, least=HELD_OUT + 1)
    explore_steps: int | str | None = checks.setting(None, durations.steps, least=1)
    pools: int = checks.setting(2, checks.whole, least=1)
    pool: int = checks.setting(96, checks.whole, least=8)
    nearer: float = checks.setting(0.01, checks.real, least=0.0)
    starts: int = checks.setting(8, checks.whole, least=1)
    ways: int = checks.setting(12, checks.whole, least=4)
    farthest: int = checks.setting(24, checks.whole, least=1)
    workers: int | None = checks.setting(None, checks.whole, least=1)
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    model: str | None = None


@dataclass
class PoolsCommand:
    """Candidates of a planner's plans, each carried out in the simulator: what a ranking and a gate are learned from.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the searches; report on others.
        out: folder of pools.json and pools.safetensors; null: outputs/pools-<task>-<planner>.
        plans: of an episode whose candidates are carried out, evenly from its first to its last.
        pool: candidates of a plan that are carried out, at most.
        replan_every: control steps that are executed from each plan, or seconds, such as 0.4s; null: the task's.
        workers: processes; null: one per core.
        model: world model in the place of the task's, a checkpoint.
    """

    episodes: int = checks.setting(40, checks.whole, least=2)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str | None = None
    plans: int = checks.setting(4, checks.whole, least=1)
    pool: int = checks.setting(32, checks.whole, least=4)
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    workers: int | None = checks.setting(None, checks.whole, least=1)
    model: str | None = None
