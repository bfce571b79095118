"""Settings of the commands: all that `forearm COMMAND` takes beside its choices of task, planner and the like."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class PlanCommand:
    """One plan from a start frame and a goal frame. Nothing moves.

    Attributes:
        start: PNG of the start; null: sampled from seed.
        goal: PNG of the goal; null: sampled from seed.
        seed: of the search, and of what is sampled.
        episode: which of the seed's held-out episodes to sample, where no files are given.
        out: file of the plan.
        format: plan: the document; joint_trajectory: what the joints do, for ROS 2 (.json, .yaml) or as .csv.
        rate: points a second of a joint trajectory.
        picture: PNG of the planned path over the start frame; null: beside out.
        use: Python modules to import first.
    """

    start: str | None = None
    goal: str | None = None
    seed: int = 0
    episode: int = 0
    out: str = "plan.json"
    format: str = "plan"
    rate: float = 50.0
    picture: str | None = None
    use: list[str] = field(default_factory=list)


@dataclass
class RunCommand:
    """Closed loop in the simulator, with a film of every episode.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the search.
        out: folder of films and results.json; null: outputs/<task>-<planner>.
        dynamics: learned, or oracle: the simulator itself instead of the world model.
        replan_every: control steps that are executed from each plan; null: the task's.
        batch: episodes that are planned together in one process.
        workers: processes.
        films: episodes to film; null: all.
        to_end: after their first success episodes run on to their limit of steps, so that what is held there is
            counted too; false: they end with it, which is faster.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
        use: Python modules to import first.
    """

    episodes: int = 3
    seed: int = 0
    out: str | None = None
    dynamics: str = "learned"
    replan_every: int | None = None
    batch: int = 1
    workers: int = 1
    films: int | None = None
    to_end: bool = True
    device: str | None = "cpu"
    use: list[str] = field(default_factory=list)


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
        replan_every: control steps that are executed from each plan; null: the task's.
        batch: episodes that are planned together in one process.
        workers: processes; null: one per core.
        films: first episodes of each task and planner to film.
        to_end: after their first success episodes run on to their limit of steps, so that what is held there is
            counted too; false: they end with it, which is faster.
        manifest: file of forearm manifest, whose episodes are run; it brings task, protocol, seed and episodes, and
            what is said otherwise is refused; fewer episodes are the first. null: episodes are drawn.
        budget: of each plan, alike for every planner: evaluations:3000, of the model, which sets samples and
            iterations; ms:50, which sets deadline_ms. null: each has its own.
        unpaired: with results files to merge: those of other episodes are taken too, and tested as such.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
        use: Python modules to import first.
    """

    episodes: int = 50
    seed: int = 0
    out: str | None = None
    baselines: list[str] = field(default_factory=lambda: ["random", "hold", "expert"])
    learned: bool = True
    oracle: bool = False
    oracle_episodes: int = 20
    replan_every: int | None = None
    batch: int = 1
    workers: int | None = None
    films: int = 2
    to_end: bool = True
    manifest: str | None = None
    budget: str | None = None
    unpaired: bool = False
    device: str | None = "cpu"
    use: list[str] = field(default_factory=list)


@dataclass
class ManifestCommand:
    """Episodes for comparisons, with start state, goal, seeds and a hash.

    Attributes:
        episodes: how many, for each task.
        seed: they are drawn with.
        out: file of the manifest.
        workers: processes; null: one per core.
        use: Python modules to import first.
    """

    episodes: int = 50
    seed: int = 0
    out: str = "manifest.json"
    workers: int | None = None
    use: list[str] = field(default_factory=list)


@dataclass
class DiagnoseCommand:
    """Why a planner fails on a task: latents, cost, dynamics, candidates or distance.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the searches.
        out: folder of diagnosis.json and diagnosis.png; null: outputs/diagnose-<task>-<planner>.
        samples: of the planner, in every cell; true dynamics are slow. null: the planner's own.
        iterations: of the planner, in every cell; null: the planner's own.
        replan_every: control steps that are executed from each plan; null: the task's.
        explore: episodes of the explorer that the probe of positions learns from.
        explore_steps: control steps of each; null: the task's collect.steps.
        pools: plans of an episode whose candidates are carried out.
        pool: candidates of a plan that are carried out, at most.
        nearer: m that a candidate must end nearer to the goal to count as good.
        starts: from which the explorer goes several ways, to see how far ahead the model ranks them.
        ways: from each start.
        farthest: control steps of each way.
        workers: processes; null: one per core.
        use: Python modules to import first.
    """

    episodes: int = 20
    seed: int = 0
    out: str | None = None
    samples: int | None = 48
    iterations: int | None = 2
    replan_every: int | None = None
    explore: int = 60
    explore_steps: int | None = None
    pools: int = 2
    pool: int = 96
    nearer: float = 0.01
    starts: int = 8
    ways: int = 12
    farthest: int = 24
    workers: int | None = None
    use: list[str] = field(default_factory=list)


@dataclass
class ServeCommand:
    """Plans over a websocket, for forearm's client or openpi's. Nothing moves here.

    Attributes:
        host: address to listen on; any but loopback needs a token.
        port: to listen on; 0: any free one.
        token_file: file with the token that clients must show; null: the variable FOREARM_TOKEN, if it is set.
        tls_cert: PEM file of a certificate; null: no TLS.
        tls_key: PEM file of its key.
        goals: folder of pictures (png, jpg, webp, bmp) that clients may name as goals.
        check_goals: refuse goals of another of the task's cameras, or upside down, where its simulator is here.
        execute: commands of a plan that a client carries out before it asks again, unless it says.
        deadline_ms: for requests that name none, in ms; null: that of the planner.
        max_clients: connections at a time.
        workers: threads that plan.
        max_message_kib: largest request in KiB.
        idle_timeout: s without a request, after which a client is cut off.
        receive_timeout: s for the rest of a message that has begun.
        send_timeout: s for a reply to be taken.
        seed: of the searches.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
        use: Python modules to import first.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    goals: str | None = None
    check_goals: bool = True
    execute: int = 4
    deadline_ms: float | None = None
    max_clients: int = 16
    workers: int = 1
    max_message_kib: int = 4096
    idle_timeout: float = 300.0
    receive_timeout: float = 10.0
    send_timeout: float = 10.0
    seed: int = 0
    device: str | None = "cpu"
    use: list[str] = field(default_factory=list)


@dataclass
class CollectCommand:
    """Film an explorer, for the most part a noisy scripted expert, into a LeRobotDataset v3 folder.

    Attributes:
        out: folder of the data set; null: data/<task>.
        episodes: how many; null: the task's collect.episodes.
        steps: control steps per episode; null: the task's collect.steps.
        seed: of the episodes.
        workers: processes; null: one per core.
        practice: share of the episodes that the planner begins, before the exploratory policy takes over.
        replan_every: with practice: control steps that are executed from each plan; null: the task's.
        storage: png (exact) or mp4 (smaller).
        shard_episodes: episodes that are written at once; what a kill can cost.
        contact_sheet: a PNG to look at, beside the data.
        use: Python modules to import first, such as the one that registers a task of your own.
    """

    out: str | None = None
    episodes: int | None = None
    steps: int | None = None
    seed: int = 0
    workers: int | None = None
    practice: float = 0.0
    replan_every: int | None = None
    storage: str = "png"
    shard_episodes: int = 25
    contact_sheet: bool = True
    use: list[str] = field(default_factory=list)


@dataclass
class DataCommand:
    """Inspect: what is in a LeRobotDataset v3 folder, and what is wrong with it; merge: one of several.

    Attributes:
        data: the folder; with merge: the folders, [FOLDER,FOLDER,...].
        out: with merge: the new folder.
        action_key: column with the commands, or several side by side, [NAME,NAME]; null: action or actions.
        state_key: the same for the joint readings; null: observation.state or state.
        episodes: to look at or to take over, such as [0,1] or 0:40 (40 not among them); null: all. To merge also
            [[...],[...]], one each.
        exclude: episodes to leave out, written alike.
        frames: decode every frame of every camera as well; takes a while.
    """

    data: str | None = None
    out: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    frames: bool = False


@dataclass
class TrainCommand:
    """Train a world model on a data set, or one on those of several tasks, task=[A,B,...] or task=built-in.

    Attributes:
        data: folder of the data set, with several tasks a folder each, [FOLDER,FOLDER,...]; null: data/<task>.
        weights: with several tasks: how often windows of each are drawn, such as [1,2,2]; null: evenly.
        camera_key: feature of the data set that is seen; null: the only camera, or observation.images.front.
        action_key: column with the commands, or several side by side, [NAME,NAME]; null: action or actions.
        state_key: the same for the joint readings; null: observation.state or state.
        episodes: to learn from, such as [0,1] or 0:40 (40 not among them); null: all. Of several sets: [[...],[...]].
        exclude: episodes to leave out, written alike.
        out: folder of checkpoint, log and report; null: outputs/<task>, or outputs/<task>+<task>
        init: checkpoint (name, folder or file) from which encoder, projection and norm are taken; null: begin anew.
        freeze_encoder: keep them as they are and train the rest alone, on latents that are made once.
        share: of the episodes to learn from; smaller shares are part of larger ones, the held-out episodes stay.
        every: windows have their present at every n-th frame; 2 with an even frameskip leaves out odd frames.
        cache_dir: folder of the decoded frames; null: .cache/forearm in the data set.
        resume: go on from the last periodic checkpoint in out.
        seed: of the first weights and of the order of the windows.
        device: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
        use: Python modules to import first.
    """

    data: str | None = None
    weights: Any = None
    camera_key: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    out: str | None = None
    init: str | None = None
    freeze_encoder: bool = False
    share: float = 1.0
    every: int = 1
    cache_dir: str | None = None
    resume: bool = False
    seed: int = 0
    device: str | None = None
    use: list[str] = field(default_factory=list)


@dataclass
class TrainHeadsCommand:
    """Train an action prior and a distance to the goal on a frozen world model.

    Attributes:
        data: folder of the data set; null: data/<task>.
        action_key: column with the commands, or several, [NAME,NAME]; null: as the checkpoint was trained.
        state_key: the same for the joint readings.
        episodes: to learn from, such as [0,1] or 0:40 (40 not among them); null: all.
        exclude: episodes to leave out, written alike.
        out: folder of the heads; null: the checkpoint's own, or outputs/<task> for a shipped checkpoint.
        cache_dir: folder of the decoded frames; null: .cache/forearm in the data set.
        seed: of the first weights and of the batches.
        validation: share of episodes held out for the report.
        use: Python modules to import first.
    """

    data: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    out: str | None = None
    cache_dir: str | None = None
    seed: int = 0
    validation: float = 0.05
    use: list[str] = field(default_factory=list)
