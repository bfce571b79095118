"""Pages in Markdown from the figures of docs/data."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

from forearm.common.files import replacing
from forearm.errors import ForearmError
from tools.bench import page as benchmarks
from tools.reliability import page as reliability
from tools.render.figures import Measured, stored
from tools.results import page as results

PAGES: dict[str, Callable[[Mapping[str, Measured]], dict[str, Any]]] = {
    "benchmarks": benchmarks.context,
    "reliability": reliability.context,
    "results": results.context,
}
"""By page: what its template is told of the measurements."""
UNKNOWN = "not known"


def render(docs: Path, page: str) -> str:
    """The page as docs/data has it now. Raises ForearmError where a figure is missing."""
    try:
        return _templates().get_template(f"{page}.md.j2").render(PAGES[page](stored(docs, page)))
    except (UndefinedError, KeyError) as error:
        raise ForearmError(f"{docs}/data/{page}: a figure is missing ({error}): measure it again") from error


def headline(docs: Path) -> str:
    """The README's table of results, in Markdown."""
    return _templates().get_template("headline.md.j2").render(results.headline(stored(docs, "results")))


def write(docs: Path, page: str) -> None:
    """Render and write the page, whole or not at all."""
    text = render(docs, page)
    with replacing(docs / f"{page}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def outdated(docs: Path, page: str) -> bool:
    """Whether the page is not what docs/data renders to."""
    path = docs / f"{page}.md"
    return not path.is_file() or path.read_text(encoding="utf-8") != render(docs, page)


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def span(interval: Mapping[str, float], digits: int = 2) -> str:
    """`1.23 [1.10, 1.40]`; without its interval where there is none."""
    value, *ends = (fixed(interval[key], digits) for key in ("value", "low", "high") if key in interval)
    return f"{value} [{', '.join(ends)}]" if ends else value


def settings(chosen: Mapping[str, Any]) -> str:
    """`samples 33, noise_beta 2.0`."""
    return ", ".join(f"{key} {value}" for key, value in chosen.items())


def yes(value: bool) -> str:
    """In a table; a no is to be seen."""
    return "yes" if value else "**no**"


def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"fixed": fixed, "span": span, "settings": settings, "yes": yes}
    return environment
