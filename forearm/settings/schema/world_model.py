"""What a world model's config says: the settings in `forearm.world_model.config`, less what task and command decide."""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from functools import cache
from typing import Any

from forearm.settings.schema.fields import derived

OF_THE_COMMAND = ("seed", "share", "every")
"""Settings of a training that are the command's."""


def world_model_config(given: Mapping[str, Any]) -> type[Any]:
    """The dataclass of a config that says `given`: an encoder has only the settings that are of use to it."""
    return _config(str(given.get("encoder", "conv")), given.get("action_dim") == 0)


@cache
def _config(encoder: str, without_commands: bool) -> type[Any]:
    from forearm.world_model.config import BackboneConfig, LossConfig, ModelConfig, TrainConfig

    of_no_use = {
        "patch": encoder != "conv",
        "standardize": encoder in ("frozen", "sensors"),
        "balance": encoder in ("frozen", "sensors"),
        "inferred_dim": not without_commands,
        "inverse_steps": without_commands,
    }
    of_the_data = ("action_dim", "proprio_dim") if encoder == "sensors" else ("action_dim",)
    without = tuple(name for name, useless in of_no_use.items() if useless)
    model = derived(
        ModelConfig,
        named="of the config, which its checkpoints hold",
        left_open={"frameskip": "the task's", **dict.fromkeys(of_the_data, "that of the data")},
        without=(*without, "resolution", "backbone"),
    )
    parts = {"loss": derived(LossConfig, without=without), "train": derived(TrainConfig, without=OF_THE_COMMAND)}
    if encoder == "frozen":
        parts["backbone"] = derived(BackboneConfig)
    sections = [(name, kind, field(default_factory=kind)) for name, kind in parts.items()]
    return make_dataclass("WorldModelConfig", sections, bases=(model,))
