"""A plan on sensors as a picture: what each is expected to read, and what is wanted of it."""

from pathlib import Path

import numpy as np

from forearm.agent.setup import PlanningSetup
from forearm.common.files import replacing
from forearm.planner.plan import Plan

NOW, WANTED = "#3a7d44", "#b5542c"


def expected(setup: PlanningSetup, readings: np.ndarray, plan: Plan) -> np.ndarray:
    """(M + 1, P) readings (P,) now and after each latent step of a plan, in their units; NaN where not known now."""
    import torch

    from forearm.world_model.runtime.latent_dynamics import LatentDynamics
    from forearm.world_model.runtime.tracker import LatentTracker

    model = setup.model
    tracker = LatentTracker(model)
    tracker.begin(None, readings)
    actions = torch.as_tensor(plan.actions, dtype=torch.float32).to(model.device)
    with torch.inference_mode():
        states = LatentDynamics(model, readings=True).rollout(tracker.state(), actions[None, None])[0, 0]
        ahead = states[:, model.config.latent_dim :] * model.proprio_std + model.proprio_mean
    return np.concatenate([readings[None], ahead.cpu().numpy()])


def save_sensor_picture(path: Path, setup: PlanningSetup, readings: np.ndarray, goal: np.ndarray, plan: Plan) -> None:
    """Write a PNG with a panel for each sensor, whole or not at all; goal (P,), NaN where it is open."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = setup.document["sensors"]["names"]
    units = setup.document["sensors"]["units"] or [""] * len(names)
    ahead = expected(setup, readings, plan)
    times = np.arange(len(ahead)) * setup.model.config.frameskip * float(setup.document["control_period"])
    figure = Figure(figsize=(6, 1.4 * len(names) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for panel, name, unit, column, wanted in zip(panels, names, units, ahead.T, goal, strict=True):
        panel.plot(times, column, color=NOW)
        if not np.isnan(wanted):
            panel.axhline(wanted, color=WANTED, linestyle=":")
        panel.set_ylabel(f"{name}\n{unit}".strip(), fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("s from now")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
