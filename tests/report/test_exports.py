import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from forearm.report.exports import HEADINGS, as_csv, as_latex, as_markdown
from tests.report.documents import HOSTILE, document


def test_csv_is_read_back_as_it_was() -> None:
    given = document()
    lines = list(csv.DictReader(io.StringIO(as_csv(given))))
    assert [line["row"] for line in lines] == [row["name"] for row in given["rows"]]
    first = lines[0]
    assert first["row"] == HOSTILE and float(first["success"]) == 1.0 and float(first["success_low"]) > 0.67
    assert (first["model_evals_per_plan"], first["episodes"]) == ("512.0", "8")
    assert float(first["final_distance_m"]) == pytest.approx(0.043)
    assert (lines[2]["varied"], lines[2]["strength"], lines[0]["varied"]) == ("light", "0.7", "")
    assert lines[5]["plan_ms_p50"] == ""


def test_latex_has_no_letter_that_means_something_else() -> None:
    text = as_latex(document()).replace(r"\allowbreak{}", "")
    assert text.count(r"\begin{tabular}") == 3 and text.count(r"\toprule") == text.count(r"\bottomrule") == 3
    name = r"cem \textless{}/script\textgreater{}\textless{}img src=x onerror=''document.title=1"
    assert name + r"''\textgreater{}\&\_\%\{\$\}\textbar{}*" in text
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 8 + 1 + 1 + 1 + 2 + 1
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) in (len(HEADINGS) - 1, 5)
        assert not re.search(r"(?<!\\)[%$#_]", line)
    assert all(line.startswith("%") for line in text.splitlines()[:2])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_is_set_within_the_page(tmp_path: Path) -> None:
    given = document()
    given["rows"][1]["name"] = "cem (planner.horizon=8, planner.samples=256, ≥ 0.3)"
    (tmp_path / "table.tex").write_text(as_latex(given), encoding="utf-8")
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table.tex}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="latin-1")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_markdown_tables_hold_together() -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(as_markdown(document()))
    tables = [re.findall(r"<tr>.*?</tr>", table, re.S) for table in re.findall(r"<table>.*?</table>", html, re.S)]
    assert [len(table) for table in tables] == [9, 3, 2]
    assert all(line.count("<td") == len(HEADINGS) for line in tables[0][1:])
    assert "<img" not in html and "cem &lt;/script&gt;&lt;img src=x" in html and "|*</td>" in html
