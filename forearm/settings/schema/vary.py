"""What may be otherwise than in training, factor by factor."""

from dataclasses import dataclass, field

from forearm.common import checks

_SHARE = checks.worded(checks.real, "{name}={value} must be a share of the episodes, above 0 and at most 1")


@dataclass
class LightConfig:
    """How bright it is.

    Attributes:
        strength: what every pixel is multiplied by; 1 is as it was.
    """

    strength: list[float] = field(default_factory=lambda: [0.7, 0.85, 1.15, 1.3])


@dataclass
class ColourConfig:
    """White balance.

    Attributes:
        strength: red is multiplied by 1 + this, blue by 1 - this.
    """

    strength: list[float] = field(default_factory=lambda: [-0.1, 0.1])


@dataclass
class CameraConfig:
    """Where the camera is.

    Attributes:
        strength: way in m by which it is moved aside, some way in its picture's plane.
    """

    strength: list[float] = field(default_factory=lambda: [0.01, 0.02, 0.04])


@dataclass
class TableConfig:
    """Of what colour the table is.

    Attributes:
        strength: share of the way from its own colour to another one, which is drawn for each episode.
    """

    strength: list[float] = field(default_factory=lambda: [0.5, 1.0])


@dataclass
class ObjectConfig:
    """Of what colour the object is.

    Attributes:
        strength: share of the way from its own colour to another one, which is drawn for each episode.
    """

    strength: list[float] = field(default_factory=lambda: [0.5, 1.0])


@dataclass
class DistractorConfig:
    """What else lies about, in sight but out of the tool's reach.

    Attributes:
        strength: how many things.
    """

    strength: list[float] = field(default_factory=lambda: [1.0, 3.0])


@dataclass
class DelayConfig:
    """How late frames arrive.

    Attributes:
        strength: control steps from the moment that a frame shows to when it is there.
    """

    strength: list[float] = field(default_factory=lambda: [1.0, 2.0])


@dataclass
class NoiseConfig:
    """How noisy frames are.

    Attributes:
        strength: standard deviation of each number of a pixel, in grey levels of 255.
    """

    strength: list[float] = field(default_factory=lambda: [5.0, 10.0, 20.0])


@dataclass
class DroppedConfig:
    """How many frames never arrive; the last one that did is seen instead.

    Attributes:
        strength: share of the frames.
    """

    strength: list[float] = field(default_factory=lambda: [0.1, 0.3])


@dataclass
class FrictionConfig:
    """How rough everything is.

    Attributes:
        strength: what sliding friction is multiplied by, everywhere in the scene.
    """

    strength: list[float] = field(default_factory=lambda: [0.5, 2.0])


@dataclass
class MassConfig:
    """How heavy the object is.

    Attributes:
        strength: what its mass is multiplied by.
    """

    strength: list[float] = field(default_factory=lambda: [0.5, 2.0])


@dataclass
class VaryConfig:
    """By what the same episodes are run again otherwise: one factor at one strength at a time.

    Attributes:
        factors: names of factors, written vary=[light,colour]: light, colour, camera, table, object, distractor, delay,
            noise, dropped, friction, mass.
        goal_too: the goal picture is otherwise as well; false: it was taken before.
    """

    factors: list[str] = field(default_factory=list)
    goal_too: bool = False
    light: LightConfig = field(default_factory=LightConfig)
    colour: ColourConfig = field(default_factory=ColourConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    table: TableConfig = field(default_factory=TableConfig)
    object: ObjectConfig = field(default_factory=ObjectConfig)
    distractor: DistractorConfig = field(default_factory=DistractorConfig)
    delay: DelayConfig = field(default_factory=DelayConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    dropped: DroppedConfig = field(default_factory=DroppedConfig)
    friction: FrictionConfig = field(default_factory=FrictionConfig)
    mass: MassConfig = field(default_factory=MassConfig)


@dataclass
class FilmedVaryConfig(VaryConfig):
    """By what episodes are filmed otherwise: in each one factor at one strength, drawn by its seed.

    Attributes:
        share: share of the episodes in which something is otherwise.
        goal_too: with practice: the planner's goal picture is otherwise as well; false: it was taken before.
    """

    share: float = checks.setting(0.5, _SHARE, above=0.0, most=1.0)
