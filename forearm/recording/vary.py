"""What is otherwise in the episodes of a collection: in each one factor at most, drawn by the episode's seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forearm.common import checks
from forearm.common.seeds import varied_rng
from forearm.evaluation.env_pool import environment
from forearm.evaluation.variations import variations_of
from forearm.settings.schema.vary import FilmedVaryConfig
from forearm.world_model.data.layout import AS_USUAL, VARIED_BY, VARIED_STRENGTH

if TYPE_CHECKING:
    from forearm.envs.variation.factors import Variation


@dataclass(frozen=True)
class Varying:
    """Which variations a collection draws from, for which share of its episodes, and whether goal pictures of
    practice have them too.
    """

    variations: "tuple[Variation, ...]"
    share: float
    goal_too: bool

    @classmethod
    def of(cls, config: Mapping[str, Any], task: Mapping[str, Any]) -> "Varying | None":
        """What the settings `vary` say; None where nothing is varied.

        Raises `ForearmError` for factors or strengths that there are not, ValueError for a share that is none, or a
        factor that `task` cannot be varied by.
        """
        from forearm.envs.varied import VariedEnvironment

        share = checks.of(FilmedVaryConfig, "share", config["share"], "vary.")
        variations = tuple(variations_of(config))
        if not variations:
            return None
        env = environment(task["name"], task["camera"], task["resolution"])
        for variation in variations:
            VariedEnvironment(env, variation)
        return cls(variations, share, config["goal_too"])

    def drawn(self, reset_seed: int) -> "Variation | None":
        """What is otherwise in the episode of this seed; factors are equally likely, and a factor's strengths too."""
        rng = varied_rng(reset_seed)
        if rng.random() >= self.share:
            return None
        factors = list(dict.fromkeys(variation.factor for variation in self.variations))
        factor = factors[int(rng.integers(len(factors)))]
        among = [variation for variation in self.variations if variation.factor == factor]
        return among[int(rng.integers(len(among)))]

    @property
    def document(self) -> dict[str, Any]:
        """What the episodes depend on, as plain values."""
        strengths: dict[str, list[float]] = {}
        for variation in self.variations:
            strengths.setdefault(variation.factor, []).append(variation.strength)
        return {"share": self.share, "goal_too": self.goal_too, "strengths": strengths}


def told(varying: Varying | None, variation: "Variation | None") -> dict[str, str | float]:
    """What the episodes table says of an episode; nothing where no episode of a collection is varied."""
    if varying is None:
        return {}
    if variation is None:
        return dict(AS_USUAL)
    return {VARIED_BY: variation.factor, VARIED_STRENGTH: float(variation.strength)}
