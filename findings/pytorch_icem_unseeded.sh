#!/usr/bin/env bash
# pytorch-icem 0.1.0 cannot be seeded from outside: it draws through colorednoise, which from version 2 on makes itself a
# new, unseeded generator in every call that names no random_state, and pytorch-icem names none.
# numpy.random.seed and torch.manual_seed before each plan change nothing.
# Where it bites: a comparison of planners "on the same seeds"; its cost on one problem varies from run to run.
# What to do: put in place of `pytorch_icem.icem.colorednoise` an object whose powerlaw_psd_gaussian passes a seeded
# generator as random_state. Exit 0: as stated; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check --root-user-action=ignore \
    pytorch-icem==0.1.0 colorednoise==2.2.0 torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys
import types
import warnings

import numpy as np
import torch

warnings.filterwarnings("ignore")
import colorednoise
from pytorch_icem import iCEM, icem


def plan():
    np.random.seed(0)
    torch.manual_seed(0)
    controller = iCEM(
        lambda states, actions: states + 0.1 * actions, lambda states, actions: (states - 1).square().sum((1, 2)),
        1, 1, sigma=torch.ones(1), num_samples=32, num_elites=4, horizon=8, warmup_iters=2, online_iters=2,
    )
    return float(controller.command(torch.zeros(1)))


usual = [plan() for _ in range(4)]
seeded = []
for _ in range(4):
    stream = np.random.default_rng(0)
    icem.colorednoise = types.SimpleNamespace(
        powerlaw_psd_gaussian=lambda beta, size: colorednoise.powerlaw_psd_gaussian(beta, size, random_state=stream)
    )
    seeded.append(plan())
print("pytorch-icem 0.1.0, colorednoise 2.2.0; first command of four plans after the same seeds:", usual)
print("with a seeded generator handed through:", seeded)
sys.exit(0 if len(set(usual)) > 1 and len(set(seeded)) == 1 else 1)
PY
