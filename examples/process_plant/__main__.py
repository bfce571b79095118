"""The example's steps, in this order; see docs/process_plant.md.

python -m process_plant log          # data/plant/log.yaml, to train on, and normal.yaml, to calibrate on
python -m process_plant control      # set-point changes by every controller
python -m process_plant faults       # who notices which fault
"""

import argparse
import importlib.util
import os
from pathlib import Path

from process_plant import plant  # noqa: F401  (registers the environment)

FIRST_SEED = 50_000
"""Of clips that detectors are judged on."""


def main(words: list[str] | None = None) -> int:
    """Run a step and print what came out."""
    parser = argparse.ArgumentParser(prog="process_plant", description=__doc__)
    parser.add_argument("step", choices=["log", "control", "faults"])
    parser.add_argument("--data", type=Path, default=Path("data/plant"))
    parser.add_argument("--checkpoint", default="outputs/plant")
    parser.add_argument("--runs", type=int, default=400, help="of the log, 100 steps each")
    parser.add_argument("--normal", type=int, default=350, help="clips of normal operation, 80 steps each")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--clips", type=int, default=12, help="with each fault, and without")
    parser.add_argument("--rate", type=float, default=0.1, help="false alarms an hour")
    asked = parser.parse_args(words)
    os.environ.setdefault("FOREARM_CONFIGS", str(Path(__file__).parent / "configs"))
    {"log": log, "control": control, "faults": faults}[asked.step](asked)
    return 0


def log(asked: argparse.Namespace) -> None:
    """Write both tables."""
    from process_plant.faults import write_normal
    from process_plant.log import excited, write

    print(write(asked.data / "log", *excited(asked.runs, 100, seed=0)))
    print(write_normal(asked.data / "normal", asked.normal, seed=10_000))


def control(asked: argparse.Namespace) -> None:
    """Print a row for each controller."""
    import numpy as np

    from process_plant.control import FIRST_SEED, controllers, errors
    from process_plant.plant import TOLERANCE

    oracle = importlib.util.find_spec("do_mpc") is not None
    print("| controller | IAE c_B, mol/l h | IAE T_R, K h | both, in tolerances h | within them at the end |")
    print("|---|--:|--:|--:|--:|")
    for name, make in controllers(asked.checkpoint, oracle).items():
        found = errors(make, range(FIRST_SEED, FIRST_SEED + asked.episodes), asked.steps)
        mean, error = found.mean(0), found.std(0) / np.sqrt(len(found))
        print(
            f"| {name} | {mean[0]:.4f} ± {error[0]:.4f} | {mean[1]:.3f} ± {error[1]:.3f} | "
            f"{(mean[:2] / TOLERANCE).sum():.2f} | {(found[:, 2] < 1).sum()} of {len(found)} |",
            flush=True,
        )
    if not oracle:
        print("do-mpc is not installed, so its controller on the true model is left out: pip install do-mpc")


def faults(asked: argparse.Namespace) -> None:
    """Print a row for each detector and fault."""
    from forearm.agent.loaded_model import load
    from forearm.surprise.calibration import surprise_calibration_of
    from forearm.surprise.monitor import Monitor
    from forearm.world_model.data.stream_sources import read_streams
    from process_plant.faults import FAULTS, PCA, Clip, PcaMonitor, clip, false_alarms, judged, levels_of_monitor

    loaded = load(asked.checkpoint, task="plant/cstr")
    monitor = Monitor(loaded, surprise_calibration_of(loaded.task, loaded.document), asked.rate)
    known = [Clip(each.readings, each.actions) for each in read_streams(asked.data / "normal.yaml").episodes]
    pca = {f"PCA, {100 * s:g} %, {lags} lags": PcaMonitor(known, lags, asked.rate, s) for s, lags in PCA}
    detectors = {"forearm": (lambda seen: levels_of_monitor(monitor, seen), monitor.threshold)}
    detectors |= {name: (each.levels, each.threshold) for name, each in pca.items()}
    usual = [clip(FIRST_SEED + number) for number in range(asked.clips)]
    broken = {
        name: [clip(FIRST_SEED + number, fault) for number in range(asked.clips)] for name, fault in FAULTS.items()
    }
    print("| detector | fault | AUROC | noticed | delay, steps | false alarms an hour |")
    print("|---|---|--:|--:|--:|--:|")
    for detector, (levels, threshold) in detectors.items():
        normal = [levels(each) for each in usual]
        for name, clips in broken.items():
            found = judged([levels(each) for each in clips], normal, threshold)
            often = false_alarms(normal, threshold)
            print(
                f"| {detector} | {name} | {found.auroc:.2f} | {found.noticed:.0%} | {found.delay:.0f} | {often:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    raise SystemExit(main())
