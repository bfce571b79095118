"""A config from a file, completed with the defaults of its dataclass and checked by OmegaConf."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from forearm.errors import ForearmError, did_you_mean, one_line
from forearm.settings.schema.fields import REQUIRED, section_of, walk


def complete(kind: type[Any], given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """All settings of `kind` as plain containers: those `given`, and the defaults of the others.

    A setting that must be given and is not, and an optional section that is not given, are left out. `what` is the
    config's name in a message. Raises `ForearmError` for a setting that there is not, or a value of another type.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), dict(given))
        found: Any = OmegaConf.to_container(merged)
    except ConfigKeyError as error:
        key = str(error.full_key or error.key)
        known = [item.name for item in walk(kind, "")]
        raise ForearmError(f"the config {what} has '{key}', which is no setting{did_you_mean(key, known)}") from None
    except OmegaConfBaseException as error:
        key = f"'{error.full_key}': " if error.full_key else ""
        reason = one_line(str(error.msg).partition("\n")[0])
        raise ForearmError(f"the config {what} has a setting of another type: {key}{reason}") from None
    hints = get_type_hints(kind)
    absent = {key for key in found if found[key] is None and key not in given and section_of(hints[key])}
    return _present({key: value for key, value in found.items() if key not in absent})


def _present(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what must be given and is not."""
    return {
        key: _present(value) if isinstance(value, dict) else value for key, value in found.items() if value != REQUIRED
    }
