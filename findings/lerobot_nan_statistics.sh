#!/bin/bash
# One NaN in a recorded column makes lerobot's meta/stats.json no JSON, and its statistics useless.
#
# What surprises: saving an episode with a NaN in a joint reading succeeds. meta/stats.json then holds the word NaN, which
# JSON has not, and minimum, maximum, mean and deviation of that number over the whole data set are NaN.
# Where it bites: strict JSON readers (jq's strict mode, JavaScript, Rust, Go) refuse the file; a policy normalised by these
# statistics learns NaN.
# What to do: look for NaN before recording; read the file with a parser that says so; take statistics over finite numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "lerobot==0.4.4" 2> "$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/hf" "$folder/venv/bin/python" - 2> "$folder/log" <<'P' || { tail -20 "$folder/log"; exit 1; }
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

features = {
    "observation.state": {"dtype": "float32", "shape": (2,), "names": ["a", "b"]},
    "observation.images.top": {"dtype": "image", "shape": (32, 32, 3), "names": ["height", "width", "channels"]},
}
data = LeRobotDataset.create("x/nan", fps=10, features=features, root=Path("nan"), use_videos=False)
for episode in range(2):
    for frame in range(5):
        state = np.array([frame, np.nan if (episode, frame) == (0, 2) else 1.0], np.float32)
        data.add_frame({"observation.state": state, "observation.images.top": np.zeros((32, 32, 3), np.uint8), "task": "t"})
    data.save_episode()
data.finalize()
text = Path("nan/meta/stats.json").read_text()
words = []
found = json.loads(text, parse_constant=lambda word: words.append(word) or math.nan)["observation.state"]
print(f"lerobot {version('lerobot')}: 1 NaN in 10 frames of 2 episodes; meta/stats.json holds {len(words)} words that JSON has not")
for name in ("min", "max", "mean", "std"):
    print(f"  {name} of a and b: {found[name]}")
sys.exit(not (words and all(math.isnan(found[name][1]) for name in ("min", "max", "mean"))))
P
