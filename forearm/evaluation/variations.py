"""By what episodes are run again otherwise, as the settings `vary` say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forearm.errors import ForearmError, did_you_mean
from forearm.settings.words import written

if TYPE_CHECKING:
    from forearm.envs.variation.factors import Variation


def variations_of(config: Mapping[str, Any]) -> "list[Variation]":
    """Every chosen factor at each of its strengths, but for those at which all is as it was.

    Raises `ForearmError` for a factor that there is not or that is named twice, and strengths that make no sense.
    """
    curves = {name: value["strength"] for name, value in config.items() if isinstance(value, Mapping)}
    known = {name: [_variation(name, strength) for strength in strengths] for name, strengths in curves.items()}
    found: list[Variation] = []
    for factor in config["factors"]:
        if factor not in known:
            raise ForearmError(f"vary: unknown factor '{factor}'{did_you_mean(str(factor), list(known))}")
        strengths, varied = curves[factor], [one for one in known[factor] if not one.is_nominal]
        if not varied:
            raise ForearmError(
                f"vary.{factor}.strength={written(strengths)} names no strength at which anything changes"
            )
        if len(set(found + varied)) < len(found + varied):
            raise ForearmError(f"vary names {factor}, or one of its strengths, twice: leave one out")
        found += varied
    return found


def _variation(factor: str, strength: Any) -> "Variation":
    from forearm.envs.variation.factors import Variation

    try:
        return Variation(factor, strength)
    except ValueError as error:
        raise ForearmError(f"vary.{error}") from None
