"""What the site is made of beside its pages: links to lines, and the reference of all settings."""

from pathlib import Path

import pytest

from forearm.cli.commands import COMMANDS
from forearm.settings import compose
from tools.site import links, settings

CODE = '''"""A module."""

LIMIT: float = 1.0


class Arm:
    """An arm."""

    def move(self) -> None:
        """Move."""


def stop() -> None: ...
'''


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with links to a module."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "arm.py").write_text(CODE)
    (tmp_path / "CONTRIBUTING.md").write_text("")
    (tmp_path / "README.md").write_text(
        "[`Arm.move`](arm.py#L9-L10), [`LIMIT`](arm.py#L3-L3), [the file](arm.py)\n```\n[`gone`](gone.py#L1)\n```\n"
    )
    monkeypatch.setattr(links, "pages", lambda root=tmp_path: [root / "README.md", root / "CONTRIBUTING.md"])
    return tmp_path


def check(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["links", *words])
    return links.main()


def test_lines_are_found_again_when_code_has_moved(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch) == 0
    (repository / "arm.py").write_text("import os\n" + CODE)
    assert check(monkeypatch) == 1 and "`Arm.move` is at L10-L11, not L9-L10" in capsys.readouterr().err
    assert check(monkeypatch, "--write") == 0 and check(monkeypatch) == 0
    text = (repository / "README.md").read_text()
    assert text.startswith("[`Arm.move`](arm.py#L10-L11), [`LIMIT`](arm.py#L4-L4), [the file](arm.py)\n```\n")


@pytest.mark.parametrize(
    "was, now, said", [("move", "go", "has no 'Arm.move'"), ("arm.py", "leg.py", "leg.py does not")]
)
def test_what_is_gone_is_told_and_cannot_be_mended(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], was: str, now: str, said: str
) -> None:
    for path in repository.glob("*.*") if was == "arm.py" else [repository / "arm.py"]:
        path.write_text(path.read_text().replace(was, now))
    assert check(monkeypatch, "--write") == 1 and said in capsys.readouterr().err


def test_every_setting_of_every_command_and_option_stands_in_the_reference() -> None:
    pages = settings.pages()
    for command in (each.config for each in COMMANDS.values() if each.config):
        chosen = compose.load(command)
        for name in _leaves(chosen.values):
            assert f"| `{name}` |" in pages["commands"], f"{command}: {name}"
        for group, options in chosen.groups.items():
            for option, given in options.items():
                assert f"## `{option}`" in pages[group]
                for name in set(_leaves(given)) - {"name"}:
                    either = (name, name.rpartition(".")[0])  # a mapping may be one setting
                    assert any(f"| `{key}` |" in pages[group] for key in either), f"{group}={option}: {name}"


def test_options_say_what_they_are_and_settings_have_units() -> None:
    for group, title in settings.GROUPS.items():
        page = settings.pages()[group]
        assert page.startswith(f"# {title}\n")
        for option in compose.options(group):
            if (settings.CONFIGS / group / f"{option}.yaml").is_file():
                assert compose.describe(group, option).rstrip(".") in page.replace("&lt;", "<")
    [panda] = [key for key in settings.keys("robot=panda") if key.name == "table_clearance"]
    assert (panda.default, panda.unit) == ("0.005", "m") and panda.meaning
    units = {key.name: key.unit for key in settings.keys("planner=cem")}
    assert units["horizon"] == "control steps" and units["interpolation"] == "" and units["warm_start"] == ""


def _leaves(given: dict, prefix: str = "") -> list[str]:
    return [
        leaf
        for key, value in given.items()
        for leaf in (_leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"])
    ]
