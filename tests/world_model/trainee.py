"""A small training run; `python -m tests.world_model.trainee DATA OUT STEPS LOSS` is one to kill, or to start twice.

With a fifth word, `float64`, it is one in double precision.

DATA may be two folders, separated by a comma, for two tasks.
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from forearm.world_model import LossConfig, ModelConfig, TrainConfig
from forearm.world_model.training import report
from forearm.world_model.training.run import Training, train

MODEL = ModelConfig(resolution=32, latent_dim=8, width=8, predictor_width=64, history=2, frameskip=2)
LOSS = LossConfig(rollout=3, directions=32)
LOSSES = {
    "sigreg": LOSS,
    "vicreg": LossConfig(rollout=2, regularizer="vicreg", regularizer_weight=1.0, inverse_dynamics=0.1),
    "contrast": LossConfig(rollout=2, directions=32, time_contrast=0.3),
}

ROUNDING = 1e-10
"""What two runs in double precision may differ by that only add up in another order. One rounding is 1e-16, 20 steps
make 4e-15 to 9e-15 of it on the processors seen, and others may make more.
"""
LAST_DIGIT = 1.01e-5
"""Of the validation errors, as they are logged: the next number may be the nearer one."""


def training_of(data, out, steps, loss=LOSS, **train_settings):
    settings = {"batch": 16, "warmup": 5, "learning_rate": 2e-3, "save_every": 4, "precision": "float32"}
    chosen = TrainConfig(steps=steps, **{**settings, **train_settings})
    data = {task: Path(one) for task, one in data.items()} if isinstance(data, dict) else Path(data)
    return Training(data, Path(out), MODEL, loss, chosen, {"task": "squares"})


def run(data, out, steps, loss="sigreg", **more):
    """Trains with a report after each step, saving every third."""
    return train(training_of(data, out, steps, LOSSES[loss], save_every=3, validate_every=10), every=1, **more)


@contextmanager
def doubles():
    """Models made inside have weights in double precision, and so is all that they compute."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    torch.set_num_threads(1)
    report.PROBE_STEPS = 20
    if sys.argv[5:] == ["float64"]:
        torch.set_default_dtype(torch.float64)
    folders = sys.argv[1].split(",")
    run(
        folders[0] if len(folders) == 1 else dict(zip("ab", folders, strict=True)),
        sys.argv[2],
        int(sys.argv[3]),
        sys.argv[4],
    )
    # One that outlives its process group can abort the process when it ends.
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    sys.stdout.write(f"threads of gloo: {sum('gloo' in name for name in names)}\n")
