"""The factors that an episode can be varied by, and what their strengths mean."""

from dataclasses import dataclass

from forearm.errors import InputError, did_you_mean

FRAMES, SCENE = "frames", "scene"


@dataclass(frozen=True)
class Factor:
    """One thing that may be otherwise.

    Attributes:
        name: as in `vary=[light]`.
        strength: what its strength is, with the unit.
        nominal: the strength at which everything is as it was.
        least, most: strengths that make sense, both included.
        kind: `frames`: what any camera's frames may suffer; `scene`: a change of the simulation itself.
        seen: whether nobody notices it who looks at no frame.
        whole: whether only whole numbers make sense.
    """

    name: str
    strength: str
    nominal: float
    least: float
    most: float
    kind: str = FRAMES
    seen: bool = True
    whole: bool = False


FACTORS = {
    factor.name: factor
    for factor in (
        Factor("light", "what every pixel is multiplied by", 1.0, 0.0, 10.0),
        Factor("colour", "white balance: red times 1 + this, blue times 1 - this", 0.0, -0.9, 0.9),
        Factor("camera", "way in m by which the camera is moved aside", 0.0, 0.0, 1.0, SCENE),
        Factor("table", "share of the way from the table's colour to another one", 0.0, 0.0, 1.0, SCENE),
        Factor("object", "share of the way from the object's colour to another one", 0.0, 0.0, 1.0, SCENE),
        Factor("distractor", "things that lie about", 0.0, 0.0, 20.0, SCENE, whole=True),
        Factor("delay", "control steps after which a frame arrives", 0.0, 0.0, 50.0, whole=True),
        Factor("noise", "standard deviation of a pixel, in grey levels of 255", 0.0, 0.0, 255.0),
        Factor("dropped", "share of the frames that never arrive", 0.0, 0.0, 1.0),
        Factor("friction", "what friction is multiplied by", 1.0, 0.0, 100.0, SCENE, seen=False),
        Factor("mass", "what the object's mass is multiplied by", 1.0, 0.01, 100.0, SCENE, seen=False),
    )
}


@dataclass(frozen=True)
class Variation:
    """One factor at one strength; raises ValueError for an unknown factor, or a strength that makes no sense."""

    factor: str
    strength: float

    def __post_init__(self) -> None:
        if self.factor not in FACTORS:
            raise InputError(f"unknown factor '{self.factor}'{did_you_mean(str(self.factor), FACTORS)}")
        known, given = FACTORS[self.factor], self.strength
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not number or not known.least <= given <= known.most or (known.whole and given != int(given)):
            kind = "a whole number" if known.whole else "a number"
            raise InputError(
                f"{self.factor}.strength is {given} ({known.strength}): expected {kind} from {known.least:g} to "
                f"{known.most:g}"
            )

    @property
    def about(self) -> Factor:
        """The factor."""
        return FACTORS[self.factor]

    @property
    def is_nominal(self) -> bool:
        """Whether nothing is otherwise."""
        return self.strength == self.about.nominal
