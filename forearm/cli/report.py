"""`forearm report`: results of a comparison as one HTML file, or as a table for other programs and for papers."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from forearm.common.addresses import told
from forearm.common.files import replacing
from forearm.common.reading import here
from forearm.errors import ForearmError, did_you_mean
from forearm.report.exports import FORMATS
from forearm.report.page import write_report
from forearm.report.rows import RESULTS, read_results
from forearm.settings import compose as settings
from forearm.settings import paths as output

HTML = "html"
PAGE = "report.html"


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` for the front door to print."""
    chosen = settings.load("report", [word if "=" in word else f"results={word}" for word in overrides])
    form = str(chosen["format"])
    if form not in (HTML, *FORMATS):
        raise ForearmError(f"unknown format '{form}'{did_you_mean(form, (HTML, *FORMATS))}")
    if chosen["results"] is None:
        raise ForearmError(f"which results? give the file that 'forearm compare' wrote: forearm report OUT/{RESULTS}")
    results = here(chosen["results"])
    document = read_results(results)
    results = results / RESULTS if results.is_dir() else results
    if form != HTML:
        return _export(document, form, results, chosen["out"])
    out = _file(chosen["out"] or str(results.with_name(PAGE)), results)
    show_report(Console(), document, out, results.parent, chosen["embed"])
    return 0


def show_report(console: Console, document: Mapping[str, Any], out: Path, folder: Path, embed: float | None) -> None:
    """Write the report of results in `folder`, and print where it is."""
    inside, linked = write_report(out, document, folder, embed)
    beside = f", {linked} linked beside it" if linked else ""
    films = f" ({inside} films inside{beside})" if inside or linked else ""
    console.print(f"report:  {told(out)}{films}", soft_wrap=True, highlight=False)


def _export(document: Mapping[str, Any], form: str, results: Path, out: str | None) -> int:
    suffix, write = FORMATS[form]
    text = write(document)
    if out == "-":
        sys.stdout.write(text)
        return 0
    path = _file(out or str(results.with_name(f"report{suffix}")), results)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    Console().print(f"table: {told(path)}", soft_wrap=True, highlight=False)
    return 0


def _file(named: str, results: Path) -> Path:
    path = output.file("out", named)
    if path.resolve() == results.resolve():
        raise ForearmError(f"out={path} would overwrite the results; name another file")
    return path
