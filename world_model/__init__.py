"""The room that predicts: video data, JEPA, training, checkpoints. Knows no planner and no MuJoCo."""

from typing import TYPE_CHECKING

from forearm.common.lazy import attach

if TYPE_CHECKING:
    from forearm.world_model.config import BackboneConfig, LossConfig, ModelConfig, TrainConfig
    from forearm.world_model.model.backbone import BackboneError
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.runtime.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, shipped
    from forearm.world_model.runtime.latent_dynamics import LatentDynamics, LatentState
    from forearm.world_model.runtime.slowness import slow_map
    from forearm.world_model.runtime.tracker import LatentTracker

__all__ = [
    "JEPA",
    "BackboneConfig",
    "BackboneError",
    "CheckpointError",
    "LatentDynamics",
    "LatentState",
    "LatentTracker",
    "LossConfig",
    "ModelConfig",
    "TrainConfig",
    "load_checkpoint",
    "save_checkpoint",
    "shipped",
    "slow_map",
]

# Reading and writing data needs no torch.
__getattr__, __dir__ = attach(
    __name__,
    {
        "config": ["BackboneConfig", "LossConfig", "ModelConfig", "TrainConfig"],
        "model.backbone": ["BackboneError"],
        "model.jepa": ["JEPA"],
        "runtime.checkpoint": ["CheckpointError", "load_checkpoint", "save_checkpoint", "shipped"],
        "runtime.latent_dynamics": ["LatentDynamics", "LatentState"],
        "runtime.slowness": ["slow_map"],
        "runtime.tracker": ["LatentTracker"],
    },
)
