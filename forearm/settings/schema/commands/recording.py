"""Settings of the commands about recordings and robots: filming, measuring, looking into them."""

from dataclasses import dataclass, field
from typing import Any

from forearm.common import checks, durations
from forearm.settings.schema.bucket import BucketConfig
from forearm.settings.schema.engine import RayConfig
from forearm.settings.schema.vary import FilmedVaryConfig

_SHARE = checks.worded(checks.real, "{name}={value} must be a share of the episodes, between 0 and 1")


@dataclass
class CollectCommand:
    """Film an explorer, for the most part a noisy scripted expert, into a LeRobotDataset v3 folder.

    Attributes:
        out: folder of the data set; null: data/<task>.
        episodes: how many; null: the task's collect.episodes.
        steps: control steps per episode, or seconds; null: the task's collect.steps.
        seed: of the episodes.
        workers: processes; null: one per core, of all machines where there are several.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
        practice: share of the episodes that the planner begins, before the exploratory policy takes over.
        replan_every: with practice: control steps that are executed from each plan, or seconds; null: the task's.
        vary: by what episodes are filmed otherwise than usual.
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
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    practice: float = checks.setting(0.0, _SHARE, least=0.0, most=1.0)
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    vary: FilmedVaryConfig = field(default_factory=FilmedVaryConfig)
    storage: str = "png"
    shard_episodes: int = checks.setting(25, checks.whole, least=1)
    contact_sheet: bool = True
    bucket: BucketConfig = field(default_factory=BucketConfig)


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
    bucket: BucketConfig = field(default_factory=BucketConfig)


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
    bucket: BucketConfig = field(default_factory=BucketConfig)


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
    bucket: BucketConfig = field(default_factory=BucketConfig)


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
