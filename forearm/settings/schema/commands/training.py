"""Settings of the commands that train."""

from dataclasses import dataclass, field
from typing import Any

from forearm.common import checks
from forearm.settings.schema.bucket import BucketConfig
from forearm.settings.schema.engine import RayConfig

_SHARE = checks.worded(checks.real, "{name}={value} must be a share of the episodes, between 0 and 1")


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
        workers: processes that film and measure; null: one per core, of all machines where there are several.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
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
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    device: str | None = None
    bucket: BucketConfig = field(default_factory=BucketConfig)


@dataclass
class LearnCommand:
    """Film, train and measure within so many minutes, and go on from there.

    Attributes:
        minutes: how long in all, measuring included, or +N for N more. What is learned in them depends on the machine.
        steps: optimiser steps in place of minutes, in all or +N more: the same whenever it is repeated. 0: by minutes.
        out: folder of films, stages, curve.json and curve.png; null: outputs/learn-<task>.
        resume: go on with the learning in out.
        data: recorded data to learn from instead of filming.
        camera_key: feature of recorded data that is seen, or several side by side, [NAME,NAME]; null: as in train.
        action_key: column of recorded data with the commands, or several, [NAME,NAME]; null: as in train.
        state_key: the same for the joint readings.
        absolute: commands of recorded data are absolute joint positions; null: where they look so.
        episodes: filmed at most; null: the task's collect.episodes, at most 3000.
        episode_steps: control steps of each; null: the task's collect.steps.
        look: after a quarter of the minutes there is a first model, whole and measured on few episodes, which costs
            success in the end; false: training just goes on then, with more films.
        validation: episodes on which a leg is measured in the end, a quarter of them on the way.
        validation_seed: of these.
        seed: of filming and training.
        storage: png (exact) or mp4 (smaller).
        cache_dir: folder of the decoded frames; null: beside the data.
        workers: processes that film and measure, half of them while training goes on; null: one per core, of all
            machines where there are several.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
        device: cpu, cuda, cuda:1, mps, for training; null: cuda where there is one, else cpu.
    """

    minutes: str = "12"
    steps: str = "0"
    out: str | None = None
    resume: bool = False
    data: str | None = None
    camera_key: Any = None
    action_key: Any = None
    state_key: Any = None
    absolute: bool | None = None
    episodes: int | None = checks.setting(None, checks.whole, least=1)
    episode_steps: int | None = checks.setting(None, checks.whole, least=1)
    look: bool = False
    validation: int = checks.setting(50, checks.whole, least=1)
    validation_seed: int = checks.setting(9, checks.whole, least=0)
    seed: int = checks.setting(0, checks.whole, least=0)
    storage: str = "png"
    cache_dir: str | None = None
    workers: int | None = checks.setting(None, checks.whole, least=1)
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    device: str | None = None


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
    bucket: BucketConfig = field(default_factory=BucketConfig)


@dataclass
class TrainHeadsCommand:
    """Train heads on a frozen world model: action prior, distance, student, sub-goals, ranking or decoder.

    Attributes:
        parts: what is trained: heads (prior and distance), student (a narrow predictor), subgoal, recorded (ways out of
            recordings in the place of subgoal) and ranking, to plan with; decoder, to look at futures.
        pools: folders of what forearm pools drew, [FOLDER,FOLDER], of which the ranking is learned.
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
    bucket: BucketConfig = field(default_factory=BucketConfig)
    pools: list[str] = field(default_factory=list)
