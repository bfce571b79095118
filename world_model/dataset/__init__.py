"""Video data: LeRobotDataset v3.0 folders written and read, decoded once, sampled in windows.

DatasetWriter ──▶ folder ──▶ read_dataset ──▶ open_cache (──▶ with_features) ──▶ WindowSampler ──▶ batches

Several WindowSamplers, one a task, are drawn from together by a WindowMixture.
"""

from .cache import FrameCache, open_cache
from .episode import Episode, Floats
from .episodes import EpisodeEntry
from .features import with_features
from .fingerprint import dataset_fingerprint
from .images import resize_frame
from .layout import ACTION_KEY, CAMERA_KEY, STATE_KEY, DatasetError
from .lerobot import DatasetWriter
from .mixture import WindowMixture
from .reader import LeRobotData, read_dataset
from .windows import Batch, Windows, WindowSampler, share_of, split_episodes

__all__ = [
    "ACTION_KEY",
    "CAMERA_KEY",
    "STATE_KEY",
    "Batch",
    "DatasetError",
    "DatasetWriter",
    "Episode",
    "EpisodeEntry",
    "Floats",
    "FrameCache",
    "LeRobotData",
    "WindowMixture",
    "WindowSampler",
    "Windows",
    "dataset_fingerprint",
    "open_cache",
    "read_dataset",
    "resize_frame",
    "share_of",
    "split_episodes",
    "with_features",
]
