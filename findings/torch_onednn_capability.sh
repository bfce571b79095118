#!/usr/bin/env bash
# ATEN_CPU_CAPABILITY=avx2 does not make torch compute as on a processor with AVX2 alone: convolutions go to oneDNN, which
# looks at the processor itself and only listens to ONEDNN_MAX_CPU_ISA. A test that fails on a machine without AVX-512
# can pass on one with it under every ATEN_CPU_CAPABILITY.
# Where it bites: trying a test suite's tolerances for other processors on one machine.
# What to do: set both, ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2. Shows on processors with AVX-512 alone.
# Exit 0: as stated, or no AVX-512 here to see it by; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$folder" torch==2.13.0 numpy==2.4.6
if ! grep -qw avx512f /proc/cpuinfo; then
    echo "no AVX-512 here: nothing to be seen"
    exit 0
fi
cat >"$folder/look.py" <<'PY'
import hashlib

import torch

torch.set_num_threads(1)
draw = torch.Generator().manual_seed(0)
frames, weight = torch.randn(4, 16, 16, 16, generator=draw), torch.randn(32, 16, 3, 3, generator=draw)
out = torch.nn.functional.conv2d(frames, weight, padding=1)
print(hashlib.sha256(out.numpy().tobytes()).hexdigest()[:16])
PY
export PYTHONPATH=$folder
usual=$(python3 "$folder/look.py")
aten=$(ATEN_CPU_CAPABILITY=avx2 python3 "$folder/look.py")
both=$(ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python3 "$folder/look.py")
echo "torch 2.13.0, a 3x3 convolution: as it is $usual, ATEN_CPU_CAPABILITY=avx2 $aten, and ONEDNN_MAX_CPU_ISA=AVX2 $both"
if [ "$usual" != "$aten" ] || [ "$usual" = "$both" ]; then
    echo "no longer as stated"
    exit 1
fi
