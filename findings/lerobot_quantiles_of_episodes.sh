#!/bin/bash
# lerobot's quantiles of a data set are means of its episodes' quantiles, not quantiles of the data.
#
# What surprises: meta/stats.json says q01 = q99 = 45 degrees of a joint that stays at 0 degrees in one half of the episodes
# and at 90 in the other. Of all frames q01 is 0 and q99 is 90. The means of episodes are averaged likewise, rightly.
# Where it bites: NormalizationMode.QUANTILES, which pi05 takes for states and actions, divides by q99 - q01. Such a joint
# (a turntable, a rail, a gripper that one task never opens) is then some 1e9 instead of -1 or 1, without a word. A joint that
# moves less within an episode than between them is scaled wrongly by as much.
# The same was seen with lerobot 0.6.1, which needs Python 3.12.
# What to do: take q01 and q99 over all frames and put them into meta/stats.json before training; or normalise by min and max.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "lerobot==0.4.4" "datasets==4.8.5" "pandas==2.3.3" 2> "$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/hf" "$folder/venv/bin/python" - 2> "$folder/log" <<'P' || { tail -20 "$folder/log"; exit 1; }
import json, sys
from importlib.metadata import version
from pathlib import Path
import numpy as np
import torch
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.processor import NormalizerProcessorStep

FRAMES = 50
PLACES = (0.0, 90.0, 0.0, 90.0)  # deg, where one joint is in each of four episodes
features = {"observation.state": {"dtype": "float32", "shape": (2,), "names": ["moves", "stays"]}}
data = LeRobotDataset.create("x/quantiles", fps=10, features=features, root=Path("quantiles"), use_videos=False)
states = [np.stack([np.linspace(-90, 90, FRAMES), np.full(FRAMES, place)], 1).astype(np.float32) for place in PLACES]
for episode in states:
    for state in episode:
        data.add_frame({"observation.state": state, "task": "t"})
    data.save_episode()
data.finalize()
stats = {key: {name: np.array(of) for name, of in each.items()} for key, each in json.loads(Path("quantiles/meta/stats.json").read_text()).items()}
found = stats["observation.state"]
true = np.quantile(np.concatenate(states), [0.01, 0.99], axis=0)
step = NormalizerProcessorStep(
    features={"observation.state": PolicyFeature(type=FeatureType.STATE, shape=(2,))},
    norm_map={FeatureType.STATE: NormalizationMode.QUANTILES}, stats=stats,
)
normal = np.stack([step._apply_transform(torch.tensor(e), "observation.state", FeatureType.STATE).numpy() for e in states])
print(f"lerobot {version('lerobot')}: a joint that stays at 0 or at 90 degrees all through an episode, two episodes each")
for name, number in (("q01", 0), ("q99", 1)):
    print(f"  {name} of the joint that moves and the one that stays: {found[name].round(3).tolist()}, of all frames {true[number].round(3).tolist()}")
print(f"  QUANTILES brings them to [-1, 1], it is said; found: {abs(normal[..., 0]).max():.3g} and {abs(normal[..., 1]).max():.3g} at most")
sys.exit(not (true[0, 1] == 0 and true[1, 1] == 90 and abs(found["q99"][1] - found["q01"][1]) < 1 and abs(normal[..., 1]).max() > 1e3))
P
