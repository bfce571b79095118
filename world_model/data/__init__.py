"""Video data: LeRobotDataset v3.0 folders written and read, decoded once, sampled in windows.

DatasetWriter ──▶ folder ──▶ read_dataset ──▶ open_cache (──▶ with_features) ──▶ WindowSampler ──▶ batches

Several WindowSamplers, one a task, are drawn from together by a WindowMixture.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forearm.world_model.data.cache import FrameCache, open_cache
    from forearm.world_model.data.episode import Episode, Floats
    from forearm.world_model.data.episodes import EpisodeEntry
    from forearm.world_model.data.features import with_features
    from forearm.world_model.data.fingerprint import dataset_fingerprint
    from forearm.world_model.data.images import resize_frame
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

_PLACES = {
    "FrameCache": "cache",
    "open_cache": "cache",
    "Episode": "episode",
    "Floats": "episode",
    "EpisodeEntry": "episodes",
    "with_features": "features",
    "dataset_fingerprint": "fingerprint",
    "resize_frame": "images",
    "ACTION_KEY": "layout",
    "CAMERA_KEY": "layout",
    "STATE_KEY": "layout",
    "DatasetError": "layout",
    "WindowMixture": "mixture",
    "LeRobotData": "reader",
    "read_dataset": "reader",
    "Batch": "windows",
    "Windows": "windows",
    "WindowSampler": "windows",
    "share_of": "windows",
    "split_episodes": "windows",
    "DatasetWriter": "writer",
}


def __getattr__(name: str) -> Any:
    # Planning needs none of the libraries that read video and tables.
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
