"""Success against the share of episodes that have actions, with and without pretraining on video without any.

    python scripts/video_curve.py

Trains an encoder on all frames without actions, then world models on shares of the episodes: on that encoder as it is
(`frozen`), going on from it (`tuned`), and from random weights (`scratch`); each plans on the same held-out episodes.
Every run is a `forearm` command, goes on where it was stopped, and is left out once it is done. After each, a JSON and
a PNG of the curve are written.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forearm.files import replacing, write_json

LABELS = {
    "scratch": "without pretraining",
    "frozen": "pretrained on video, encoder kept",
    "tuned": "pretrained on video, encoder trained on",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing; returns the exit code of the first command that failed, or 0."""
    options = _parser().parse_args(argv)
    runs = [("scratch", share) for share in options.shares] + [("frozen", share) for share in options.shares]
    runs += [("tuned", share) for share in options.tuned]
    try:
        pretrained = _train(options, "pretrained", ["world_model=video", *options.video], options.video_steps)
        for kind, share in runs:
            begin = (
                [] if kind == "scratch" else [f"init={pretrained}", f"freeze_encoder={str(kind == 'frozen').lower()}"]
            )
            name = f"{kind}-{round(100 * share, 2):g}"
            checkpoint = _train(options, name, [f"share={share}", *begin], options.steps)
            _compare(options, name, checkpoint)
            write(options, runs)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    write(options, runs)
    return 0


def write(options: argparse.Namespace, runs: Sequence[tuple[str, float]]) -> None:
    """The JSON and the PNG of all runs that are done."""
    rows = []
    for kind, share in runs:
        name = f"{kind}-{round(100 * share, 2):g}"
        model, results = options.out / name / "model.json", options.out / "compare" / name / "results.json"
        if not results.is_file():
            continue
        trained, found = json.loads(model.read_text()), json.loads(results.read_text())
        row = found["rows"][0]
        rows.append(
            {
                "kind": kind, "share": share, "episodes_with_actions": trained["dataset"].get("learned_from"),
                "steps": trained["train"]["done"], "checkpoint": row["checkpoint"],
                "episodes": row["episodes"], "successes": row["successes"], "ci95": row["ci95"],
                "error": trained["metrics"]["error"], "copy_last": trained["metrics"]["copy_last"],
                "effective_rank": trained["metrics"]["effective_rank"], "probe_mm": trained["metrics"]["probe_mm"],
                "command": found["command"],
            }
        )  # fmt: skip
    write_json(options.json, {"task": options.task, "seed": options.seed, "rows": rows})
    draw(rows, options.task, options.picture)


def draw(rows: Sequence[dict[str, Any]], task: str, path: Path) -> None:
    """Success in per cent with its intervals against the share, one line a kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for kind, label in LABELS.items():
        chosen = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["share"])
        if not chosen:
            continue
        shares = [100 * row["share"] for row in chosen]
        success = [100 * row["successes"] / row["episodes"] for row in chosen]
        bars = [
            [abs(value - 100 * row["ci95"][end]) for value, row in zip(success, chosen, strict=True)] for end in (0, 1)
        ]
        style = {"scratch": "C7", "frozen": "C0", "tuned": "C1"}[kind]
        axes.errorbar(shares, success, yerr=bars, marker="o", markersize=4, capsize=3, color=style, label=label)
    axes.set_xscale("log")
    ticks = sorted({100 * row["share"] for row in rows})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_ylim(-3, 103)
    axes.set_xlabel("episodes with actions (% of those learned from)")
    axes.set_ylabel("planning success (%)")
    axes.set_title(f"{task}, CEM")
    axes.grid(alpha=0.3, linewidth=0.4)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _train(options: argparse.Namespace, name: str, words: Sequence[str], steps: int) -> Path:
    """The folder of a run that is trained to its end."""
    out: Path = options.out / name
    model = out / "model.json"
    if not model.is_file() or json.loads(model.read_text())["train"]["done"] < steps:
        every = max(1, steps // 4)
        of_all = [f"world_model.width={options.width}", f"world_model.train.steps={steps}", "resume=true"]
        of_all += [f"world_model.train.{key}={every}" for key in ("validate_every", "save_every")]
        of_all += ["world_model.train.precision=float32"]  # what 'auto' finds may differ from run to run
        _forearm("train", f"task={options.task}", *words, f"data={options.data}", f"out={out}", *of_all)
    return out


def _compare(options: argparse.Namespace, name: str, checkpoint: Path) -> None:
    out = options.out / "compare" / name
    found = out / "results.json"
    if found.is_file() and json.loads(found.read_text())["rows"][0]["episodes"] == options.episodes:
        return
    words = ["protocol=rest", "planner=cem", f"episodes={options.episodes}", f"seed={options.seed}", "baselines=[]"]
    words += ["films=0", f"workers={options.workers}", f"task.checkpoint={checkpoint}", f"out={out}"]
    _forearm("compare", f"task={options.task}", *words)


def _forearm(*words: str) -> None:
    sys.stdout.write(f"\n$ forearm {shlex.join(words)}\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "forearm", *words], check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="push")
    parser.add_argument("--data", type=Path, default=Path("data/push"))
    parser.add_argument("--out", type=Path, default=Path("outputs/video"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.03, 0.1, 0.3, 1.0])
    parser.add_argument(
        "--tuned", type=float, nargs="*", default=[0.03], help="shares at which the encoder is trained on"
    )
    parser.add_argument("--steps", type=int, default=1200, help="of every training with actions")
    parser.add_argument("--video-steps", type=int, default=2200, help="of the training without")
    parser.add_argument(
        "--video", nargs="*", default=[], metavar="KEY=VALUE", help="more settings of the training without"
    )
    parser.add_argument("--width", type=int, default=16, help="channels of the encoder's first stage")
    parser.add_argument("--episodes", type=int, default=100, help="of every comparison")
    parser.add_argument("--seed", type=int, default=2, help="of the comparisons' episodes")
    parser.add_argument("--workers", type=int, default=1, help="processes of a comparison")
    parser.add_argument("--json", type=Path, default=Path("docs/video_pretraining.json"))
    parser.add_argument("--picture", type=Path, default=Path("docs/video_pretraining.png"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
