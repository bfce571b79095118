"""Success against the share of episodes that have actions, with and without pretraining on video without any.

    python -m tools.experiments.video_curve

Trains encoders on all frames without actions: `video` with a predictor that sees the past alone, `inferred` with one
that is told a few numbers inferred from two latents in a row. Then trains world models with actions on shares of
the episodes: from random weights (`scratch`), on such an encoder as it is, and going on from one (`tuned`). Each plans
on the same held-out episodes. Every run is a `forearm` command, goes on where it was stopped, and is not made twice.
After each, a JSON and a PNG of the curve are written. In the JSON, `pairs` has exact paired tests of every other kind
against `scratch` at the same share.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forearm.common.files import replacing, write_json
from forearm.evaluation.statistics import compare_pairs

PRETRAINING = {
    "video": ["world_model=video", "world_model.inferred_dim=0"],
    "inferred": ["world_model=video", "world_model.inferred_dim=4"],
}
"""How encoders are learned without actions."""
KINDS: dict[str, tuple[str | None, list[str]]] = {
    "scratch": (None, []),
    "video": ("video", ["freeze_encoder=true"]),
    "inferred": ("inferred", ["freeze_encoder=true"]),
    "tuned": ("video", []),
}
"""With which of those encoders, if any, a training with actions begins, and how."""
LOOKS = {
    "scratch": ("C7", "without pretraining"),
    "video": ("C0", "pretrained on video, encoder kept"),
    "tuned": ("C1", "pretrained on video, encoder trained on"),
    "inferred": ("C2", "pretrained with inferred actions, encoder kept"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing; returns the exit code of the first command that failed, or 0."""
    options = _parser().parse_args(argv)
    runs = [(kind, share) for kind in ("scratch", "video") for share in options.shares]
    runs += [(kind, share) for kind in ("tuned", "inferred") for share in getattr(options, kind)]
    try:
        for kind, share in runs:
            pretraining, words = KINDS[kind]
            if pretraining is not None:
                name = f"pretrained-{pretraining}"
                folder = _train(options, name, PRETRAINING[pretraining], options.video_steps)
                words = [f"init={folder}", *words]
            name = _name(kind, share)
            _compare(options, name, _train(options, name, [f"share={share}", *words], options.steps))
            write(options)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    write(options)
    return 0


def write(options: argparse.Namespace) -> None:
    """The JSON and the PNG of all runs that are done."""
    rows: list[dict[str, Any]] = []
    solved: dict[tuple[str, float], list[bool]] = {}
    shares = sorted({*options.shares, *options.tuned, *options.inferred})
    for kind, share in [(kind, share) for kind in KINDS for share in shares]:
        name = _name(kind, share)
        model, results = options.out / name / "model.json", options.out / "compare" / name / "results.json"
        if not (model.is_file() and results.is_file()):
            continue
        trained, found = json.loads(model.read_text()), json.loads(results.read_text())
        row = found["rows"][0]
        solved[kind, share] = [outcome["success"] for outcome in row["outcomes"]]
        rows.append(
            {
                "kind": kind, "share": share, "episodes_with_actions": trained["dataset"]["learned_from"],
                "steps": trained["train"]["done"], "checkpoint": row["checkpoint"],
                "episodes": row["episodes"], "successes": row["successes"], "ci95": row["ci95"],
                **{key: trained["metrics"][key] for key in ("error", "copy_last", "effective_rank", "probe_mm")},
                "command": found["command"],
            }
        )  # fmt: skip
    tested = [
        (f"share {share:g}", "scratch", kind, solved["scratch", share], outcomes)
        for (kind, share), outcomes in solved.items()
        if kind != "scratch" and ("scratch", share) in solved
    ]
    pairs = [asdict(pair) for pair in compare_pairs(tested)]
    write_json(options.json, {"task": options.task, "seed": options.seed, "rows": rows, "pairs": pairs})
    draw(rows, options.task, options.picture)


def draw(rows: Sequence[dict[str, Any]], task: str, path: Path) -> None:
    """Success in per cent with its intervals against the share, one line a kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for kind, (colour, label) in LOOKS.items():
        chosen = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["share"])
        if not chosen:
            continue
        success = [100 * row["successes"] / row["episodes"] for row in chosen]
        ends = [[100 * row["ci95"][end] for row in chosen] for end in (0, 1)]
        bars = [[abs(one - other) for one, other in zip(success, end, strict=True)] for end in ends]
        shares = [100 * row["share"] for row in chosen]
        axes.errorbar(shares, success, yerr=bars, marker="o", markersize=4, capsize=3, color=colour, label=label)
    axes.set_xscale("log")
    ticks = sorted({100 * row["share"] for row in rows})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
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


def _name(kind: str, share: float) -> str:
    return f"{kind}-{round(100 * share, 2):g}"


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
    parser.add_argument("--tuned", type=float, nargs="*", default=[0.03], help="shares with the encoder trained on")
    parser.add_argument("--inferred", type=float, nargs="*", default=[1.0], help="shares with inferred actions")
    parser.add_argument("--steps", type=int, default=1200, help="of every training with actions")
    parser.add_argument("--video-steps", type=int, default=2200, help="of every training without")
    parser.add_argument("--width", type=int, default=16, help="channels of the encoder's first stage")
    parser.add_argument("--episodes", type=int, default=100, help="of every comparison")
    parser.add_argument("--seed", type=int, default=2, help="of the comparisons' episodes")
    parser.add_argument("--workers", type=int, default=1, help="processes of a comparison")
    parser.add_argument("--json", type=Path, default=Path("docs/data/video_pretraining.json"))
    parser.add_argument("--picture", type=Path, default=Path("docs/video_pretraining.png"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
