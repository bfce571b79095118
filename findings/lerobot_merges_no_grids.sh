#!/bin/bash
# lerobot's own merging (aggregate_datasets) fails on a feature of two dimensions that lerobot itself wrote.
#
# What surprises: a data set with a feature of shape (2, 3) is created, saved and loaded without a word; merging two of
# them ends in an AttributeError from pandas ('PandasArrayExtensionDtype' object has no attribute ...). The same data set
# with the feature of shape (6,) merges.
# Where it bites: commands of two arms kept as rows, key points, matrices of poses.
# What to do: flatten such features when recording, or merge with a tool that works on the Arrow tables.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "lerobot==0.4.4" "datasets==4.8.5" "pandas==2.3.3" 2> "$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/hf" "$folder/venv/bin/python" - 2> "$folder/log" <<'P' || { tail -20 "$folder/log"; exit 1; }
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from lerobot.datasets.aggregate import aggregate_datasets
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def merged(shape):
    """How merging two data sets with commands of this shape ends."""
    name = "x".join(map(str, shape))
    features = {
        "action": {"dtype": "float32", "shape": shape, "names": None},
        "observation.images.top": {"dtype": "image", "shape": (32, 32, 3), "names": ["height", "width", "channels"]},
    }
    roots = [Path(f"{name}-{copy}") for copy in "ab"]
    for root in roots:
        data = LeRobotDataset.create(f"x/{root}", fps=10, features=features, root=root, use_videos=False)
        for frame in range(4):
            action = np.full(shape, frame, np.float32)
            data.add_frame({"action": action, "observation.images.top": np.zeros((32, 32, 3), np.uint8), "task": "t"})
        data.save_episode()
        data.finalize()
    try:
        aggregate_datasets([f"x/{root}" for root in roots], "x/all", roots=roots, aggr_root=Path(f"{name}-all"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "merged"


flat, grid = merged((6,)), merged((2, 3))
print(f"lerobot {version('lerobot')}, datasets {version('datasets')}, pandas {version('pandas')}")
print(f"commands of shape (6,): {flat}")
print(f"commands of shape (2, 3): {grid}")
sys.exit(not (flat == "merged" and grid.startswith("AttributeError")))
P
