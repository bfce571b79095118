#!/usr/bin/env bash
# safetensors before 0.4.4: safetensors.torch.load cannot read an empty tensor that safetensors.torch.save wrote.
#
# `load` makes each tensor with torch.frombuffer, which refuses a length of 0. A model with a buffer of no entries (such as
# the mean of readings that it does not use) can be saved and not be loaded; `load_file` is not affected.
# What to do: ask for safetensors>=0.4.4.
# Exits 0 while it is so, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --disable-pip-version-check --no-input torch==2.13.0 numpy==2.4.6 packaging==26.3
for release in 0.4.0 0.4.3 0.4.4; do
    "$folder/venv/bin/pip" -q install --disable-pip-version-check --no-deps --target "$folder/$release" "safetensors==$release"
    PYTHONPATH="$folder/$release" "$folder/venv/bin/python" - "$release" <<'P'
import sys

import safetensors
import torch
from safetensors.torch import load, save

assert safetensors.__version__ == sys.argv[1]
written = save({"empty": torch.zeros(0), "full": torch.ones(2)})
try:
    seen = f"shape {tuple(load(written)['empty'].shape)}"
except ValueError as error:
    seen = f"ValueError: {error}"
print(f"safetensors {safetensors.__version__}: {seen}")
sys.exit(seen.startswith("ValueError") != (sys.argv[1] < "0.4.4"))
P
done
