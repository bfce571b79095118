"""The room that predicts: video data, JEPA, training, checkpoints. Knows no planner and no MuJoCo."""

from world_model.backbone import BackboneError
from world_model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, shipped
from world_model.config import BackboneConfig, LossConfig, ModelConfig, TrainConfig
from world_model.jepa import JEPA
from world_model.latent_dynamics import LatentDynamics, LatentState
from world_model.metric import slow_map
from world_model.tracker import LatentTracker

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
