"""The curve runs what is missing, once, and draws what is there."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tools.experiments import video_curve


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, with commands that only leave behind what the real ones do; `ran` holds them."""
    ran: list[list[str]] = []

    def pretend(*words: str) -> None:
        ran.append(list(words))
        given = dict(word.split("=", 1) for word in words[1:])
        out = Path(given["out"])
        out.mkdir(parents=True)
        if words[0] == "train":
            metrics = {"error": [0.1], "copy_last": [1.0], "effective_rank": 9.0, "probe_mm": {}}
            done = {"done": int(given["world_model.train.steps"])}
            model = {"train": done, "dataset": {"learned_from": 3}, "metrics": metrics}
            (out / "model.json").write_text(json.dumps(model))
        else:
            outcomes = [{"success": number < 2} for number in range(int(given["episodes"]))]
            row = {
                "checkpoint": "a",
                "episodes": len(outcomes),
                "successes": 2,
                "ci95": [0.1, 0.9],
                "outcomes": outcomes,
            }
            (out / "results.json").write_text(json.dumps({"rows": [row], "command": "forearm compare"}))

    monkeypatch.setattr(video_curve, "_forearm", pretend)
    return SimpleNamespace(main=video_curve.main, ran=ran)


def test_the_curve_is_run_once_and_drawn(script: Any, tmp_path: Path) -> None:
    page, picture = tmp_path / "curve.json", tmp_path / "curve.png"
    words = ["--out", str(tmp_path / "runs"), "--json", str(page), "--picture", str(picture), "--episodes", "4"]
    assert script.main([*words, "--shares", "0.1", "1.0", "--tuned", "0.1", "--inferred", "1.0"]) == 0
    rows, pairs = (json.loads(page.read_text())[key] for key in ("rows", "pairs"))
    assert pairs[0] | {"task": "share 0.1", "b": "video", "p": 1.0} == pairs[0] and len(pairs) == 4
    wanted = [(kind, share) for kind in ("scratch", "video") for share in (0.1, 1.0)]
    assert [(row["kind"], row["share"]) for row in rows] == [*wanted, ("inferred", 1.0), ("tuned", 0.1)]
    with Image.open(picture) as image:
        assert image.size[0] > 400
    trained = [command for command in script.ran if command[0] == "train"]
    assert len(trained) == 2 + 6 and len(script.ran) == 2 + 2 * 6
    silent = [command for command in trained if "world_model=video" in command]
    assert len(silent) == 2 and not any(word.startswith(("share=", "init=")) for command in silent for word in command)
    assert sum("freeze_encoder=true" in command for command in trained) == 3
    before = len(script.ran)
    assert script.main([*words, "--shares", "0.1", "--tuned", "--inferred"]) == 0
    assert len(script.ran) == before
