"""Video data: LeRobotDataset v3.0 folders written and read, decoded once, sampled in windows.

DatasetWriter ──▶ folder ──▶ read_dataset ──▶ open_cache (──▶ with_features) ──▶ WindowSampler ──▶ batches

Several WindowSamplers, one a task, are drawn from together by a WindowMixture.
"""

from typing import TYPE_CHECKING

from forearm.common.lazy import attach

if TYPE_CHECKING:
    from forearm.world_model.data.cache import FrameCache, open_cache, with_differences
    from forearm.world_model.data.entries import EpisodeEntry
    from forearm.world_model.data.episode import Episode, Floats
    from forearm.world_model.data.features import with_features
    from forearm.world_model.data.fingerprint import dataset_fingerprint
    from forearm.world_model.data.images import resize_frame
    from forearm.world_model.data.incoming import FrameFit
    from forearm.world_model.data.layout import ACTION_KEY, CAMERA_KEY, STATE_KEY, DatasetError
    from forearm.world_model.data.mixture import WindowMixture
    from forearm.world_model.data.reader import LeRobotData, read_dataset
    from forearm.world_model.data.windows import Batch, Windows, WindowSampler, share_of, split_episodes
    from forearm.world_model.data.writer import DatasetWriter

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
    "FrameFit",
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
    "with_differences",
    "with_features",
]

# Planning needs none of the libraries that read video and tables.
__getattr__, __dir__ = attach(
    __name__,
    {
        "cache": ["FrameCache", "open_cache", "with_differences"],
        "entries": ["EpisodeEntry"],
        "episode": ["Episode", "Floats"],
        "features": ["with_features"],
        "fingerprint": ["dataset_fingerprint"],
        "images": ["resize_frame"],
        "incoming": ["FrameFit"],
        "layout": ["ACTION_KEY", "CAMERA_KEY", "STATE_KEY", "DatasetError"],
        "mixture": ["WindowMixture"],
        "reader": ["LeRobotData", "read_dataset"],
        "windows": ["Batch", "WindowSampler", "Windows", "share_of", "split_episodes"],
        "writer": ["DatasetWriter"],
    },
)
