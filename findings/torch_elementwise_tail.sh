#!/usr/bin/env bash
# torch (CPU) computes the last few elements of a tensor by another routine than the rest, and for some functions the
# two round differently: torch.atanh(x)[i] depends on how many numbers stand behind x[i]. tanh, exp, log1p are free of it.
# Where it bites: whatever is promised to be the same "alone and in a batch" to the bit (planning, serving, evaluation)
# and meets atanh, silu, sigmoid, softplus, elu, exp2, sinh, cosh, mish or gelu on a batch of a size that fills no vector.
# It does not show with ATEN_CPU_CAPABILITY=default, which has no vectors (but for gelu), nor on processors without AVX2.
# What to do: give such functions one problem at a time, in a tensor of the shape that it has alone.
# Exit 0: as stated; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$folder" torch==2.13.0 numpy==2.4.6
PYTHONPATH=$folder python3 - <<'PY'
import sys

import torch

torch.set_num_threads(1)
print("torch", torch.__version__, "on", torch.backends.cpu.get_cpu_capability())
values = torch.rand(4096, generator=torch.Generator().manual_seed(0)) * 1.98 - 0.99
place, steady = ("atanh", "silu", "sigmoid", "softplus", "elu", "exp2", "sinh", "cosh", "mish"), ("tanh", "exp", "log1p")
seen = {}
for name in (*place, *steady):
    function = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    alone = torch.cat([function(one) for one in values.split(1)])
    seen[name] = int((function(values) != alone).sum())
print("of 4096 numbers, how many come out different when each is alone:", seen)
as_stated = all(seen[name] for name in place) and not any(seen[name] for name in steady)
if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
    as_stated = not any(seen.values())
sys.exit(0 if as_stated else 1)
PY
