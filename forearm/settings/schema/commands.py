"""Settings of the commands: all that `forearm COMMAND` takes beside its choices of task, planner and the like."""

from dataclasses import dataclass, field
from typing import Any

from forearm.common import checks, durations
from forearm.settings.schema.vary import VaryConfig

HELD_OUT = 5
"""Every fifth explored episode tests the probe of a diagnosis."""
_PORT = checks.worded(checks.integer, "{name} must lie between {least} and {most}, not {value}")
_SHARE = checks.worded(checks.real, "{name}={value} must be a share of the episodes, between 0 and 1")


@dataclass
class ImportingCommand:
    """What comes last of the commands that run code of one's own.

    Attributes:
        use: Python modules to import first.
    """

    use: list[str] = field(default_factory=list)


@dataclass
class PlanCommand:
    """One plan from a start frame and a goal frame. Nothing moves.

    Attributes:
        start: PNG of the start; null: sampled from seed.
        goal: PNG of the goal, or places in m, {object: [0.5, 0.1]} or {tool: [0.5, 0.1, 0.1]}; null: sampled from seed.
        proprio: readings of the arm at the start, as the model was trained on them; null: found in the picture, of the
            built-in arm.
        seed: of the search, and of what is sampled.
        episode: which of the seed's held-out episodes to sample, where no files are given.
        out: file of the plan.
        format: plan: the document; joint_trajectory: what the joints do, for ROS 2 (.json, .yaml) or as .csv.
        rate: points a second of a joint trajectory.
        picture: PNG of the planned path over the start frame; null: beside out.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
    """

    start: str | None = None
    goal: Any = None
    proprio: Any = None
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    out: str = "plan.json"
    format: str = "plan"
    rate: float = 50.0
    picture: str | None = None
    model: str | None = None


@dataclass
class ImagineCommand:
    """What the world model expects of any commands, as pictures. Nothing moves.

    Attributes:
        actions: rows of numbers, one a control step, [[0.5,0,0,0],...]; or a file of them: a plan, .json or .csv.
        start: PNG of the start; null: sampled from seed.
        goal: PNG of the goal whose distance is told, or places in m; null: sampled with the start, none for a given
            one.
        proprio: joint readings at the start, [0.1,-0.2,...], for a model that wants them; null: of the sampled start.
        seed: of what is sampled.
        episode: which of the seed's held-out episodes to sample.
        real: carry the commands out in the simulator too, and show what comes beside what was imagined.
        out: file of the commands, times and distances.
        picture: a strip (.png) or a film (.mp4); null: a strip beside out.
    """

    actions: Any = None
    start: str | None = None
    goal: Any = None
    proprio: Any = None
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    real: bool = False
    out: str = "imagined.json"
    picture: str | None = None


@dataclass
class RunCommand:
    """Closed loop in the simulator, with a film of every episode.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the search.
        out: folder of films and results.json; null: outputs/<task>-<planner>.
        dynamics: learned, or oracle: the simulator itself instead of the world model.
        replan_every: control steps that are executed from each plan, or seconds, such as 0.4s; null: the task's.
        batch: episodes that are planned together in one process.
        workers: processes.
        films: episodes to film; null: all.
        to_end: after their first success episodes run on to their limit of steps, so that what is held there is
            counted too; false: they end with it, which is faster.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
        live: show camera, imagination, candidates, costs and statuses while episodes run, on a page that only this
            machine can reach; needs the extra live.
        live_port: of that page; 0: any free one.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    episodes: int = checks.setting(3, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str | None = None
    dynamics: str = "learned"
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    batch: int = checks.setting(1, checks.whole, least=1)
    workers: int = checks.setting(1, checks.whole, least=1)
    films: int | None = checks.setting(None, checks.whole, least=0)
    to_end: bool = True
    model: str | None = None
    vary: VaryConfig = field(default_factory=VaryConfig)
    live: bool = False
    live_port: int = checks.setting(8010, checks.whole, least=0)
    device: str | None = "cpu"


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
        workers: processes; null: one per core.
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
        workers: processes; null: one per core.
    """

    episodes: int = checks.setting(50, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str = "manifest.json"
    workers: int | None = checks.setting(None, checks.whole, least=1)


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
    model: str | None = None


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
        execute: commands of a plan, or seconds, that a client carries out before it asks again, unless it says.
        deadline_ms: for requests that name none, in ms; null: that of the planner.
        max_clients: connections at a time.
        workers: threads that plan.
        max_message_kib: largest request in KiB.
        idle_timeout: s without a request, after which a client is cut off.
        receive_timeout: s for the rest of a message that has begun.
        send_timeout: s for a reply to be taken.
        seed: of the searches.
        surprise_rate: watch for surprise, with so many false alarms an hour at most; null: nobody watches.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    host: str = "127.0.0.1"
    port: int = checks.setting(8000, _PORT, least=0, most=65535)
    token_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    goals: str | None = None
    check_goals: bool = True
    execute: int | str = checks.setting(4, durations.steps, least=1)
    deadline_ms: float | None = checks.setting(None, checks.real, least=1.0)
    max_clients: int = checks.setting(16, checks.whole, least=1)
    workers: int = checks.setting(1, checks.whole, least=1)
    max_message_kib: int = checks.setting(4096, checks.whole, least=1)
    idle_timeout: float = checks.setting(300.0, checks.real, above=0.0)
    receive_timeout: float = checks.setting(10.0, checks.real, above=0.0)
    send_timeout: float = checks.setting(10.0, checks.real, above=0.0)
    seed: int = checks.setting(0, checks.whole, least=0)
    surprise_rate: float | None = checks.setting(None, checks.real, above=0.0)
    model: str | None = None
    device: str | None = "cpu"


@dataclass
class McpCommand:
    """Tools for language models and other agents, over the Model Context Protocol, on a task's simulator.

    Attributes:
        transport: stdio: for the program that starts this one; http: streamable HTTP at host and port.
        host: address to listen on; any but loopback needs a token.
        port: to listen on; 0: any free one.
        token_file: file with the token that clients must show; null: the variable FOREARM_TOKEN, if it is set.
        tls_cert: PEM file of a certificate; null: no TLS.
        tls_key: PEM file of its key.
        goals: folder of pictures (png, jpg, webp, bmp) that clients may name as goals.
        check_goals: refuse goals of another of the task's cameras, or upside down.
        seed: of the scene that is begun with, and of the searches.
        episode: which of the seed's held-out episodes the scene is.
        allow_motion: let clients move the simulated arm, within the robot's limits.
        max_steps: commands in one call.
        max_plans: plans that one call may compare.
        max_waiting: calls that may wait for their turn; one is worked on at a time.
        calls_per_minute: from all clients together.
        max_clients: sessions at a time, over http.
        max_message_kib: largest request in KiB.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
    """

    transport: str = checks.setting("stdio", checks.choice, known=("stdio", "http"))
    host: str = "127.0.0.1"
    port: int = checks.setting(8001, _PORT, least=0, most=65535)
    token_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    goals: str | None = None
    check_goals: bool = True
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    allow_motion: bool = False
    max_steps: int = checks.setting(100, checks.whole, least=1)
    max_plans: int = checks.setting(16, checks.whole, least=2)
    max_waiting: int = checks.setting(4, checks.whole, least=1)
    calls_per_minute: int = checks.setting(120, checks.whole, least=1)
    max_clients: int = checks.setting(16, checks.whole, least=1)
    max_message_kib: int = checks.setting(1024, checks.whole, least=1)
    model: str | None = None


@dataclass
class Ros2Command:
    """A ROS 2 node that drives an arm to what a goal shows; needs no ROS.

    Attributes:
        goal: picture of the goal, of the model's size, or places in m, {object: [0.5, 0.1]}.
        joint_states: topic of sensor_msgs/JointState.
        image: topic of sensor_msgs/Image, of any size.
        command: topic of trajectory_msgs/JointTrajectory for the arm.
        gripper: the same for the gripper's first joint; empty: nothing is sent to it.
        joints: what messages call the robot's joints, in its order, and the gripper's first after them; []: as it does.
        rate: trajectories a second.
        domain: of ROS 2, as ROS_DOMAIN_ID.
        local: stay on this machine's loopback; false: go by CYCLONEDDS_URI, to the network.
        record: MCAP file of the run; null: none.
        seed: of the searches.
    """

    goal: Any = None
    joint_states: str = "/joint_states"
    image: str = "/camera/image_raw"
    command: str = "/arm_controller/joint_trajectory"
    gripper: str = ""
    joints: list[str] = field(default_factory=list)
    rate: float = 50.0
    domain: int = checks.setting(0, checks.whole, least=0)
    local: bool = True
    record: str | None = None
    seed: int = checks.setting(0, checks.whole, least=0)


@dataclass
class CollectCommand:
    """Film an explorer, for the most part a noisy scripted expert, into a LeRobotDataset v3 folder.

    Attributes:
        out: folder of the data set; null: data/<task>.
        episodes: how many; null: the task's collect.episodes.
        steps: control steps per episode, or seconds; null: the task's collect.steps.
        seed: of the episodes.
        workers: processes; null: one per core.
        practice: share of the episodes that the planner begins, before the exploratory policy takes over.
        replan_every: with practice: control steps that are executed from each plan, or seconds; null: the task's.
        storage: png (exact) or mp4 (smaller).
        shard_episodes: episodes that are written at once; what a kill can cost.
        contact_sheet: a PNG to look at, beside the data.
        use: Python modules to import first, such as the one that registers a task of your own.
    """

    out: str | None = None
    episodes: int | None = checks.setting(None, checks.whole, least=1)
    steps: int | str | None = checks.setting(None, durations.steps, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    workers: int | None = checks.setting(None, checks.whole, least=1)
    practice: float = checks.setting(0.0, _SHARE, least=0.0, most=1.0)
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    storage: str = "png"
    shard_episodes: int = checks.setting(25, checks.whole, least=1)
    contact_sheet: bool = True


@dataclass
class CalibrateCommand:
    """What is normal for a checkpoint: how its frames look, how near to a goal is there, what surprises it.

    Attributes:
        parts: what is measured: frames (of tasks of the built-in arm, in the simulator), surprise (in data).
        data: with surprise: folder of held-out episodes, which the checkpoint was not trained on.
        action_key: column with the commands, or several, [NAME,NAME]; null: as the checkpoint was trained.
        state_key: the same for the joint readings.
        episodes: to calibrate on, such as [0,1] or 0:40 (40 not among them); null: all.
        exclude: episodes to leave out, written alike.
        horizons: latent steps from which a frame is predicted at most.
        rate: false alarms an hour that the hours must be enough for.
        fit_episodes: of the explorer, to fit frames on.
        hours: of the explorer, to set bounds of frames on.
        count_hours: of the explorer, to count false stops in.
        drives: episodes that a controller drives, half of them to count on.
        seconds: of each of these.
    """

    parts: list[str] = field(default_factory=lambda: ["frames", "surprise"])
    data: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    horizons: int = checks.setting(4, checks.whole, least=1)
    rate: float = checks.setting(6.0, checks.real, above=0.0)
    fit_episodes: int = checks.setting(200, checks.whole, least=10)
    hours: float = checks.setting(0.5, checks.real, above=0.0)
    count_hours: float = checks.setting(1.0, checks.real, above=0.0)
    drives: int = checks.setting(12, checks.whole, least=2)
    seconds: float = checks.setting(15.0, checks.real, above=0.0)


@dataclass
class MonitorCommand:
    """What in recorded episodes surprises a checkpoint: a page, a table, and exit code 1 where something does.

    Attributes:
        data: folder of the episodes.
        out: folder of the page, the table and the figures; null: outputs/monitor-<task>.
        action_key: column with the commands, or several, [NAME,NAME]; null: as the checkpoint was trained.
        state_key: the same for the joint readings.
        episodes: to look at, such as [0,1] or 0:40 (40 not among them); null: all.
        exclude: episodes to leave out, written alike.
        rate: false alarms an hour, at most.
        films: episodes that the page shows, those with alarms first.
    """

    data: str | None = None
    out: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    rate: float = checks.setting(6.0, checks.real, above=0.0)
    films: int = checks.setting(10, checks.whole, least=0)


@dataclass
class PracticeCommand:
    """Rounds of filming what planners do, training on, and keeping what is better.

    Attributes:
        data: folder of the data set on which the checkpoint was trained; null: data/<task>.
        out: folder of the rounds, practice.json and practice.png; null: outputs/practice-<task>.
        rounds: how many; more may be asked for later.
        episodes: filmed a round, shared among the planners.
        steps: control steps per episode; null: the task's collect.steps.
        practice: share of these episodes that a planner begins; 0: none, for the same training without practice.
        train_steps: optimiser steps of the model in a round.
        heads_steps: optimiser steps of each head in a round; null: as many as it was trained for.
        learning_rate: peak rate of a round; null: that of the checkpoint's training.
        precision: auto (the faster here), float32 (the same weights whenever it is repeated) or bfloat16; null: that of
            the checkpoint's training.
        freeze_encoder: keep the encoder as it is and train the rest.
        validation: episodes on which each round is measured, the same in all.
        validation_seed: of these.
        seed: of filming and training.
        replan_every: control steps that are executed from each plan; null: the task's.
        storage: png (exact) or mp4 (smaller).
        cache_dir: folder of the decoded frames; null: beside the merged data, with which they go.
        workers: processes that film and measure; null: one per core.
        device: cpu, cuda, cuda:1, mps, for training; null: cuda where there is one, else cpu.
    """

    data: str | None = None
    out: str | None = None
    rounds: int = checks.setting(3, checks.whole, least=1)
    episodes: int = checks.setting(200, checks.whole, least=1)
    steps: int | None = checks.setting(None, checks.whole, least=1)
    practice: float = checks.setting(1.0, _SHARE, least=0.0, most=1.0)
    train_steps: int = checks.setting(600, checks.whole, least=1)
    heads_steps: int | None = checks.setting(None, checks.whole, least=1)
    learning_rate: float | None = checks.setting(None, checks.real, above=0.0)
    precision: str | None = None
    freeze_encoder: bool = False
    validation: int = checks.setting(50, checks.whole, least=1)
    validation_seed: int = checks.setting(9, checks.whole, least=0)
    seed: int = checks.setting(0, checks.whole, least=0)
    replan_every: int | None = checks.setting(None, checks.whole, least=1)
    storage: str = "png"
    cache_dir: str | None = None
    workers: int | None = checks.setting(None, checks.whole, least=1)
    device: str | None = None


@dataclass
class DataCommand:
    """Inspect: what is in a LeRobotDataset v3 folder, and what is wrong with it; merge: one of several; convert: one of
    recordings.

    Attributes:
        data: the folder; with merge: the folders, [FOLDER,FOLDER,...]; with convert: the recording, or several.
        out: with merge and convert: the new folder.
        commands: with convert: task of the built-in arm in whose commands a recording of forearm's own is told.
        camera_key: with convert: which of the recording's pictures; null: the only ones.
        fps: with convert: frames a second; null: what the recording says.
        action_key: column with the commands, or several side by side, [NAME,NAME]; null: action or actions.
        state_key: the same for the joint readings; null: observation.state or state.
        episodes: to look at or to take over, such as [0,1] or 0:40 (40 not among them); null: all. To merge also
            [[...],[...]], one each.
        exclude: episodes to leave out, written alike.
        frames: decode every frame of every camera as well; takes a while.
    """

    data: str | None = None
    out: str | None = None
    commands: str | None = None
    camera_key: str | None = None
    fps: int | None = checks.setting(None, checks.whole, least=1)
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    frames: bool = False


@dataclass
class RobotCommand:
    """Check: what a robot is, from its config or from a model file alone; nothing moves.

    Attributes:
        file: YAML of a robot as in configs/robot, the name of one that is there, or an MJCF or URDF file.
        joints: of a model file: the joints of a command, [NAME,NAME]; null: all that nothing else moves.
        tool: of a model file: site or link of the point between the fingertips; null: the only site, or the last link.
        picture: PNG of it at home; null: the file's name with .png, in the present folder.
    """

    file: str | None = None
    joints: Any = None
    tool: str | None = None
    picture: str | None = None


@dataclass
class TrainCommand:
    """Train a world model on a data set, or one on those of several tasks, task=[A,B,...] or task=built-in.

    Attributes:
        data: folder of the data set, with several tasks a folder each, [FOLDER,FOLDER,...]; null: data/<task>.
        weights: with several tasks: how often windows of each are drawn, such as [1,2,2]; null: evenly.
        camera_key: feature of the data set that is seen, or several side by side, [NAME,NAME]; null: the only camera,
            or observation.images.front.
        action_key: column with the commands, or several side by side, [NAME,NAME]; null: action or actions.
        state_key: the same for the joint readings; null: observation.state or state.
        episodes: to learn from, such as [0,1] or 0:40 (40 not among them); null: all. Of several sets: [[...],[...]].
        exclude: episodes to leave out, written alike.
        out: folder of checkpoint, log and report; null: outputs/<task>, or outputs/<task>+<task>
        init: checkpoint (name, folder or file) from which encoder, projection and norm are taken; null: begin anew.
        freeze_encoder: keep them as they are and train the rest alone, on latents that are made once.
        absolute: commands are absolute joint positions, whose differences are learned and whose steps are limited;
            null: where they look so.
        share: of the episodes to learn from; smaller shares are part of larger ones, the held-out episodes stay.
        every: windows have their present at every n-th frame; 2 with an even frameskip leaves out odd frames.
        cache_dir: folder of the decoded frames; null: .cache/forearm in the data set.
        resume: go on from the last periodic checkpoint in out.
        seed: of the first weights and of the order of the windows.
        device: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    data: str | None = None
    weights: Any = None
    camera_key: Any = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    out: str | None = None
    init: str | None = None
    freeze_encoder: bool = False
    absolute: bool | None = None
    share: float = 1.0
    every: int = checks.setting(1, checks.whole, least=1)
    cache_dir: str | None = None
    resume: bool = False
    seed: int = checks.setting(0, checks.whole, least=0)
    device: str | None = None


@dataclass
class TrainHeadsCommand:
    """Train an action prior and a distance to the goal on a frozen world model, or a decoder that draws its latents.

    Attributes:
        parts: what is trained: heads (prior and distance, to plan with), decoder (to look at what is imagined).
        data: folder of the data set; null: data/<task>.
        action_key: column with the commands, or several, [NAME,NAME]; null: as the checkpoint was trained.
        state_key: the same for the joint readings.
        episodes: to learn from, such as [0,1] or 0:40 (40 not among them); null: all.
        exclude: episodes to leave out, written alike.
        out: folder of the heads; null: the checkpoint's own, or outputs/<task> for a shipped checkpoint.
        cache_dir: folder of the decoded frames; null: .cache/forearm in the data set.
        seed: of the first weights and of the batches.
        validation: share of episodes held out for the report.
    """

    data: str | None = None
    action_key: Any = None
    state_key: Any = None
    episodes: Any = None
    exclude: Any = None
    out: str | None = None
    cache_dir: str | None = None
    seed: int = checks.setting(0, checks.whole, least=0)
    validation: float = 0.05
    parts: list[str] = field(default_factory=lambda: ["heads"])
