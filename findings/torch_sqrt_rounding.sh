#!/usr/bin/env bash
# torch.sqrt is not rounded correctly on x86 in builds with MKL: the vector mathematics of MKL computes it, by code chosen
# for the processor, and many results are one unit in the last place off IEEE's, which numpy's are not. Neither
# ATEN_CPU_CAPABILITY=default nor MKL_CBWR=COMPATIBLE changes a bit of it, nor of tan, asin, acos, atan and log10.
# Where it bites: values compared to the bit between processors, and the belief that a square root is the same everywhere.
# What to do: compute it elsewhere (numpy) where bits count; anywhere else it does no harm.
# Exit 0: as stated; 1: it has changed, or this processor's code is one that rounds correctly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$folder" torch==2.13.0 numpy==2.4.6
cat >"$folder/look.py" <<'PY'
import numpy as np
import torch

torch.set_num_threads(1)
numbers = np.random.default_rng(0).uniform(0.01, 5, 20000).astype(np.float32)
print(int((torch.sqrt(torch.from_numpy(numbers)).numpy() != np.sqrt(numbers)).sum()))
PY
export PYTHONPATH=$folder
usual=$(python3 "$folder/look.py")
pinned=$(ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE python3 "$folder/look.py")
echo "torch 2.13.0, sqrt of 20000 float32: $usual differ from numpy's; $pinned with ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE"
if [ "$usual" = 0 ] || [ "$usual" != "$pinned" ]; then
    echo "no longer as stated"
    exit 1
fi
