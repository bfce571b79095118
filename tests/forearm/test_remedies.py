"""A message that says `word=` names a setting that there is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from forearm.cli.main import main
from forearm.settings import compose as settings

ROOT = Path(__file__).parents[2]
ROOMS = ("planner", "world_model", "envs", "forearm")
COMMANDS = (
    "collect",
    "compare",
    "data",
    "diagnose",
    "imagine",
    "learn",
    "mcp",
    "plan",
    "pools",
    "practice",
    "ros2",
    "run",
    "serve",
    "train",
    "train-heads",
)
SETTING = re.compile(r"(?<![\w.{}-])([a-z_]+(?:\.[a-z_]+)*)=(?!=)")
ELSEWHERE = {
    *("input_size", "tokens", "layer", "key"),  # words about words
    *("fps", "max_gap", "markers", "fixed_assets", "proprio"),  # arguments in Python
    *("version", "charset"),  # of HTTP
    *("adapter.kind", "file", "monitor", "on_surprise"),  # of a robot's file, of a command that asks, in Python
    "write_empty_chunks",  # of zarr
    "longest_gap",  # of a table's description
}


def messages() -> Iterator[tuple[str, str]]:
    """(where, text) of every text of several words that is no docstring; what is filled in is a gap."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                text = "" if id(node) in bare else _text(node)
                if " " in text and '="' not in text:  # XML
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def known() -> set[str]:
    """Every key of every command, with the groups' names and the names of options in front."""
    keys: set[str] = set()
    seen: set[str] = set()
    for command in COMMANDS:
        chosen = settings.load(command)
        keys |= set(leaves(chosen.values)) | set(chosen.groups)
        for group in set(chosen.groups) - seen:
            seen.add(group)
            for name in settings.options(group):
                if "/" not in name:  # tasks of a benchmark have the keys of the others
                    option = settings.load(command, [f"{group}={name}"]).all(group)[name]
                    keys |= {f"{front}{leaf}" for leaf in leaves(option) for front in (f"{group}.", f"{name}.", "")}
    return keys


def leaves(values: object, prefix: str = "") -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield f"{prefix}{key}"
            yield from leaves(value, f"{prefix}{key}.")


def test_every_remedy_names_a_setting_that_there_is() -> None:
    there = known()
    found = {(word, where) for where, text in messages() for word in SETTING.findall(text)}
    assert len(found) > 40  # else nothing was looked at
    assert {"cache_dir", "camera_key", "every", "world_model.frameskip"} <= {word for word, _ in found}
    wrong = sorted((word, where) for word, where in found if word not in there and word not in ELSEWHERE)
    assert wrong == []


@pytest.mark.parametrize("command", ["train", "train-heads"])
def test_caches_may_be_kept_elsewhere(command: str, tmp_path: Path) -> None:
    assert settings.load(command, [f"cache_dir={tmp_path}/caches (mine)"])["cache_dir"] == f"{tmp_path}/caches (mine)"
    assert settings.load(command)["cache_dir"] is None


def test_a_set_that_may_not_be_written_to_is_trained_on(
    tmp_path: Path, failing: object, capsys: object, here: None, quick_probes: None
) -> None:
    data = tmp_path / "data"
    collect = ["collect", "task=reach", "episodes=3", "steps=30", "workers=1", "contact_sheet=false", f"out={data}"]
    assert main(collect) == 0
    (data / ".cache").write_text("in the way")
    words = ["train", "task=reach", f"data={data}", "world_model.train.steps=2", "world_model.train.batch=8"]
    words += ["world_model.loss.rollout=2", "world_model.train.validation=0.34", "device=cpu"]
    said = failing(*words, f"out={tmp_path}/out")  # type: ignore[operator]
    assert "cache cannot be written" in said and "cache_dir=FOLDER" in said
    (tmp_path / "taken").write_text("")
    said = failing(*words, f"out={tmp_path}/out", f"cache_dir={tmp_path}/taken")  # type: ignore[operator]
    assert "cache_dir=" in said and "is a file, not a folder; choose another cache_dir=" in said
    assert main([*words, f"out={tmp_path}/out", f"cache_dir={tmp_path}/caches"]) == 0
    assert list((tmp_path / "caches").glob("*/cache.json"))
