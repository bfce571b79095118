"""What a task's config says."""

from dataclasses import dataclass, field

from forearm.settings.schema.adapter import AdapterConfig
from forearm.settings.schema.fields import REQUIRED


@dataclass
class PaceConfig:
    """How far planners look and how often they plan, where planner and command leave it null.

    Attributes:
        horizon: control steps looked ahead, or seconds, such as 1.2s.
        action_repeat: control steps that a searched action is held, or seconds.
        replan_every: control steps carried out from each plan, or seconds.
    """

    horizon: int | str = 12
    action_repeat: int | str = 2
    replan_every: int | str = 4


@dataclass
class ObjectiveConfig:
    """The cost of an imagined future.

    Attributes:
        weights: of the latent distance over the horizon: last, sum, exp or min.
        decay: with exp: how much more each step counts than the one before, as a ratio.
        slowness: 0: plain latent distance; 1: what changes rarely, such as an object, counts for more.
        features: true: distance of the slow features alone, where objects are; needs heads with prior.slow.
        action: weight of the squared actions.
        smoothness: weight of the squared change between actions.
        terminal: weight of the learned distance (control steps), at the end of the horizon unless terminal_weights
            says otherwise; needs heads.
        terminal_weights: of the learned distance over the horizon: last, sum, exp or min.
        until: control steps of the horizon that count, or seconds, such as those carried out; null: all.
        subgoal: control steps ahead, or seconds, of the learned sub-goal that the latent distance is measured to, there
            alone, in place of the goal; null: the goal. Needs sub-goals beside the checkpoint.
        subgoal_weights: of that distance along the way there: last (the sub-goal alone), sum, exp or min.
        subgoal_slowness: the slowness of that distance.
        ranking: weight of the learned ranking of the predicted way, in standard deviations of the candidates of a plan;
            needs a ranking beside the checkpoint.
        unlikely: weight of the penalty for latents unlike the training data; needs heads.
        unlikely_free: squared distance from the training data, per dimension, that costs nothing; 1 is usual.
    """

    weights: str = "exp"
    decay: float = 0.8
    slowness: float = 1.0
    features: bool = False
    action: float = 0.0
    smoothness: float = 0.0
    terminal: float = 0.0
    terminal_weights: str = "last"
    until: int | str | None = None
    subgoal: int | str | None = None
    subgoal_weights: str = "last"
    subgoal_slowness: float = 0.0
    ranking: float = 0.0
    unlikely: float = 0.0
    unlikely_free: float = 2.0


@dataclass
class GuidedConfig:
    """Of planner=guided, which plans out of what the learned prior of the task's heads proposes.

    Attributes:
        horizon: control steps looked ahead, or seconds, at most those that the prior proposes.
        replan_every: control steps carried out from each plan, or seconds.
        temperature: of the weights of its average, in standard deviations of the candidates' costs.
        prior_spread: of the candidates, as a share of the prior's standard deviation.
        prior_gain: what the prior's commands are multiplied by.
        terminal: weight of the learned distance; it counts alone, as the latent one is small beside it.
        terminal_weights: of the learned distance over the horizon: last, sum, exp or min.
        until: control steps of the horizon that count, or seconds, such as those carried out; null: all.
        features: true: distance of the slow features, where there is no learned one to trust.
        subgoal: control steps ahead, or seconds, of learned sub-goals, which are then in place of the learned distance;
            weights and slowness are those of hierarchical. null: none.
        gate: by how much the plan's predicted cost must be lower than that of the prior's own plan, in units of the
            cost, to be carried out in place of it; inf: never; null: it always is.
    """

    horizon: int | str = 12
    replan_every: int | str = 4
    temperature: float = 1.0
    prior_spread: float = 0.3
    prior_gain: float = 1.0
    terminal: float = 1000.0
    terminal_weights: str = "last"
    until: int | str | None = None
    features: bool = False
    subgoal: int | str | None = None
    gate: int | float | str | None = None


@dataclass
class HierarchicalConfig:
    """Of planner=hierarchical, which searches toward learned sub-goals of the checkpoint.

    Attributes:
        horizon: control steps to the furthest sub-goal, or seconds; as far is looked ahead.
        replan_every: control steps carried out from each plan, or seconds.
        weights: of the distances to the sub-goals on the way: last, sum, exp or min.
        slowness: of those distances, as in objective.
        source: of the sub-goals: learned, or recorded, from the segment of data that fits best.
        data: JSON file of recorded ways, as train-heads parts=[recorded] makes it; null: the one beside the checkpoint.
    """

    horizon: int | str = 8
    replan_every: int | str = 4
    weights: str = "sum"
    slowness: float = 0.5
    source: str = "learned"
    data: str | None = None


@dataclass
class RecordingConfig:
    """How much forearm collect records.

    Attributes:
        episodes: how many.
        steps: control steps per episode, or seconds, not cut short by success.
    """

    episodes: int = 4000
    steps: int | str = 50


@dataclass
class TaskConfig:
    """A task: what is seen, how far it is looked ahead, what a future costs, and which checkpoint predicts it.

    Attributes:
        name: that of its file below configs/task.
        planner: where none is named (forearm compare, and other checkpoints: cem).
        checkpoint: a shipped checkpoint by name, or the path of one. A task of a benchmark whose file names none takes
            the checkpoint with the task's name, with - for /.
        heads: JSON file of the heads for the checkpoint; null: the one beside it.
        student: what predicts in the place of the checkpoint's own predictor: beside, the narrow one beside it, or the
            JSON file of one; null: its own.
        subgoals: JSON file of the sub-goals for the checkpoint; null: the one beside it.
        rankings: JSON file of the ranking for the checkpoint; null: the one beside it.
        decoder: JSON file of the decoder that draws what is imagined; null: the one beside the checkpoint, if any.
        camera: whose frames are seen; null: whatever the checkpoint was trained with.
        resolution: of the frames, in pixels, square; recorded ones are resized to it in training.
        frameskip: control steps in one step of a world model trained on it.
        max_steps: control steps that an evaluation episode may take, or seconds; null: the limit of protocol or task.
        proposals: where a planner's prior_share comes from: previous (plan), prior (learned; needs heads).
        prior_spread: of the candidates from the prior, as a share of its standard deviation; null: guided's, else 1.
        prior_gain: what the prior's commands are multiplied by, above 1 where recordings are slow; null: guided's,
            else 1.
        adapter: what commands mean for the joints of a robot; null: as the robot's config says.
    """

    name: str = REQUIRED
    planner: str = "cem"
    checkpoint: str = REQUIRED
    heads: str | None = None
    student: str | None = None
    subgoals: str | None = None
    rankings: str | None = None
    decoder: str | None = None
    camera: str | None = "front"
    resolution: int = 64
    frameskip: int = 2
    max_steps: int | str | None = None
    plan: PaceConfig = field(default_factory=PaceConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    proposals: list[str] = field(default_factory=lambda: ["previous"])
    prior_spread: float | None = None
    prior_gain: float | None = None
    guided: GuidedConfig = field(default_factory=GuidedConfig)
    hierarchical: HierarchicalConfig = field(default_factory=HierarchicalConfig)
    collect: RecordingConfig | None = None
    adapter: AdapterConfig | None = None
