#!/usr/bin/env bash
# torch with MKL: the product of a matrix (N, D) and a (D, 1) depends on where in memory the matrix begins. The rows of a
# batch, batch[b] @ vector, round differently from batch[b].clone() @ vector: the same numbers, shape and strides.
# Where it bites: looping over a batch "so that results do not depend on the batch size" is not enough; each row must be
# copied, for torch's own memory begins at multiples of 64 bytes and a row in a batch does not. Seen for odd D of 5 and 7.
# With MKL_CBWR=COMPATIBLE in the environment it does not happen, nor in builds of torch without MKL.
# What to do: batch[b].clone() @ vector. Exit 0: as stated; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$folder" torch==2.13.0 numpy==2.4.6
cat >"$folder/look.py" <<'PY'
import sys

import torch

torch.set_num_threads(1)
draw = torch.Generator().manual_seed(0)
differing = {}
for count in (9, 19, 25, 31):
    for size in (4, 5, 7, 8):
        batch, vector = torch.randn(5, count, size, generator=draw), torch.randn(size, 1, generator=draw)
        changed = sum(not torch.equal(row @ vector, row.clone() @ vector) for row in batch)
        if changed:
            differing[count, size] = changed
print("torch", torch.__version__, "MKL", torch.backends.mkl.is_available(), "; (N, D): rows of 5 that differ:", differing)
sys.exit(0 if differing else 1)
PY
PYTHONPATH=$folder python3 "$folder/look.py"
if PYTHONPATH=$folder MKL_CBWR=COMPATIBLE python3 "$folder/look.py"; then
    echo "with MKL_CBWR=COMPATIBLE it happens as well: changed"
    exit 1
fi
