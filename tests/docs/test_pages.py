"""Pages say what is so: their blocks run, their links lead somewhere, their pictures are described in words."""

import os
import re
from pathlib import Path

import pytest

from forearm import envs
from tests.docs.markdown import PAGES, blocks, pictures, sentences
from tools.render.pages import headline
from tools.site.links import MADE, ROOT, expected, links_of

TESTED_ELSEWHERE = {
    "docs/own_environment.md": "test_own_environment.py", "docs/tutorials/so101.md": "test_so101.py",
    "docs/wire.md": "test_wire_document.py",
}  # fmt: skip
"""Pages whose blocks need more than to be run."""
RUN = [name for name in PAGES if blocks(PAGES[name], "python") and name not in TESTED_ELSEWHERE]
LONGER = {
    "CONTRIBUTING.md", "docs/adapters.md", "docs/benchmarks.md", "docs/experiments.md",
    "docs/reliability.md", "docs/results.md",
}  # fmt: skip
"""Pages for those who look closely, with sentences of more than 25 words; no other page may join them."""
MODULE = re.compile(r"`(forearm(?:\.[a-z_]\w*)+(?:\.[A-Z]\w*)?)(?:\([^`]*\))?`")


@pytest.fixture
def as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder to run in; tasks and variables that a page adds are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    tasks, variables = dict(envs.TASKS), dict(os.environ)
    yield tmp_path
    envs.TASKS.clear()
    envs.TASKS.update(tasks)
    os.environ.clear()
    os.environ.update(variables)


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_one_after_the_other(page: str, as_before: Path) -> None:
    names: dict = {"__name__": "page"}
    for block in blocks(PAGES[page], "python"):
        exec(compile(block, page, "exec"), names)


def test_blocks_of_every_page_are_run_somewhere() -> None:
    assert {"README.md", "docs/tutorials/first_plan.md", "docs/tutorials/own_arm.md"} <= set(RUN)
    for page, test in TESTED_ELSEWHERE.items():
        [path] = (ROOT / "tests").rglob(test)
        assert Path(page).name in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_there_and_described_in_words(page: str) -> None:
    assert "<img" not in PAGES[page]
    for text, target in pictures(PAGES[page]):
        assert ((ROOT / page).parent / target).is_file(), target
        assert len(text.split()) >= 5, f"{target}: say what is to be seen, not only '{text}'"


def test_a_picture_is_found_with_its_text() -> None:
    assert pictures("![A b](c.png) [no](d.png)\n```\n![x](y)\n```\n") == [("A b", "c.png")]
    assert sum(len(pictures(text)) for text in PAGES.values()) >= 5


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_to_things_that_have_the_name(page: str) -> None:
    for link in links_of(ROOT / page):
        assert link.path.exists() or MADE in link.path.parents, link.target
        expected(link)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in LONGER])
def test_sentences_are_short(page: str) -> None:
    long = [sentence for sentence in sentences(PAGES[page]) if len(sentence.split()) > 25]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", ["README.md", "docs/command_line.md", "docs/design/rooms.md", "docs/results.md"])
def test_what_the_oracle_does_better_is_not_called_the_models_error(page: str) -> None:
    text = " ".join(PAGES[page].split())
    assert "the model's error alone" in text and "diagnose.md#two-by-two" in text


@pytest.mark.parametrize("page", PAGES)
def test_figures_of_others_stand_with_their_source_or_not_at_all(page: str) -> None:
    for line in PAGES[page].splitlines():
        assert not re.search(r"\b(LeWM|LeWorldModel|DINO-WM|HIQL|PLDM|JEPA-WMs?) (about )?\d{1,3}\b(?! *s)", line), line
        if "reports" in line and re.search(r"\breports \d", line):
            assert "arXiv" in line, line
        assert "| published |" not in line


def test_sentences_are_told_apart() -> None:
    text = "# Title\n\nOne two. Three\nfour [five](x.md)!\n\n- six\n- seven: eight\n\n    code\n\n| a | b |\n"
    assert sentences(text) == ["One two.", "Three four five!", "six", "seven: eight"]


def test_the_readme_fits_its_reader() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


def test_the_readme_has_the_results_that_were_measured() -> None:
    assert headline(ROOT / "docs").strip() in PAGES["README.md"], "see tools.render.pages.headline"
    assert len(headline(ROOT / "docs").strip().splitlines()) == 2 + 10


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/experiments.md"])
def test_modules_have_the_names_that_pages_give_them(page: str) -> None:
    import importlib

    for name in set(MODULE.findall(PAGES[page])):
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:count]))
            except ModuleNotFoundError:
                continue
            for part in parts[count:]:
                found = getattr(found, part, None)
            assert found is not None, f"there is no {name}"
            break


@pytest.mark.parametrize(
    "path, symbol",
    [
        ("planner/algorithms/cem.py", "CEM.update"),
        ("world_model/model/jepa.py", "JEPA.encode"),
        ("forearm/control/trajectories/limits.py", "check"),
    ],
)
def test_a_newcomer_is_there_in_three_clicks_from_the_readme(path: str, symbol: str) -> None:
    reached = {ROOT / "README.md"}
    for _ in range(3):
        links = [link for page in reached if page.suffix == ".md" for link in links_of(page)]
        if any(link.path == ROOT / path and link.symbol == symbol for link in links):
            return
        reached |= {link.path for link in links if link.path.is_file()}
    pytest.fail(f"{symbol} is further away")


@pytest.mark.parametrize("page", ["planner", "task", "encoder", "robot"])
def test_a_real_addition_stands_where_its_page_says(page: str) -> None:
    """Each line of the diff begins one of the file, in its order: defaults and comments may follow."""
    [diff] = blocks(PAGES[f"docs/design/new_{page}.md"], "diff")
    files = re.split(r"^--- .*\n\+\+\+ b/(.*)\n", diff, flags=re.M)[1:]
    assert len(files) >= 4
    for name, text in zip(files[::2], files[1::2], strict=True):
        lines = iter((ROOT / name).read_text(encoding="utf-8").splitlines())
        for line in text.splitlines():
            assert line[0] in "+ @", line
            if line[0] != "@":
                assert any(_begins(there, line[1:]) for there in lines), f"{name} has no '{line[1:]}' there"


def _begins(line: str, beginning: str) -> bool:
    rest = line.removeprefix(beginning)
    return not rest or (rest != line and rest.lstrip().startswith(("# ", "= ")))
