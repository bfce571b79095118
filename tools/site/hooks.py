"""Hooks of mkdocs: pages for the settings, and pages for the files that links lead to outside of docs/.

A link to `../planner/algorithms/cem.py#L79-L86` leads to the file where the repository is browsed. In the site it leads
to a page with that file, at the line where the thing that the link names begins.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

from tools.site import settings
from tools.site.links import LINES, LINK, ROOT, Link, expected, links_of, outside_of_blocks, pages

SOURCE = "source"
"""Folder of the site with the files that are linked to."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    for name, text in settings.pages().items():
        files.append(File.generated(config, f"reference/settings/{name}.md", content=text))
    for path in sorted(_linked(Path(config.docs_dir))):
        files.append(File.generated(config, _page_of(path), content=_shown(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files outside of docs/ lead to their pages."""
    uri = page.file.src_uri
    source = ROOT / uri.removeprefix(f"{SOURCE}/").removesuffix(".md") if uri.startswith(f"{SOURCE}/") else None
    if source is not None and source.suffix != ".md":
        return markdown
    docs = Path(config.docs_dir)
    here = source or docs / uri

    def led(found: re.Match[str]) -> str:
        link = Link(here, found["text"], found["target"], found["anchor"] or "")
        path = link.path
        inside = docs in path.parents
        if not link.target or "://" in link.target or not path.is_file() or (inside and source is None):
            return found[0]
        wanted = path.relative_to(docs).as_posix() if inside else _page_of(path)
        anchor = expected(link) or link.anchor
        lines = LINES.fullmatch(anchor)
        anchor = f"L-{lines[1]}" if lines else anchor
        return f"[{link.text}]({posixpath.relpath(wanted, posixpath.dirname(uri))}{'#' * bool(anchor)}{anchor})"

    return outside_of_blocks(markdown, lambda text: LINK.sub(led, text))


def _linked(docs: Path) -> set[Path]:
    """Files of the repository, outside of docs/, that its pages lead to; and those to which these lead in turn."""
    found: set[Path] = set()
    waiting = [page for page in pages() if docs in page.parents]
    while waiting:
        for link in links_of(waiting.pop()):
            path = link.path
            if path.is_file() and docs not in path.parents and ROOT in path.parents and path not in found:
                found.add(path)
                if path.suffix == ".md":
                    waiting.append(path)
    return found


def _page_of(path: Path) -> str:
    return f"{SOURCE}/{path.relative_to(ROOT).as_posix()}.md"


def _shown(path: Path) -> str:
    """The page of a file: Markdown as it is, everything else as a block of code with numbered lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    name = path.relative_to(ROOT).as_posix()
    formatter = HtmlFormatter(
        cssclass="highlight", linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True
    )
    code = highlight(text, get_lexer_for_filename(path.name), formatter)
    return f"---\ntitle: {name}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{name}`\n\n{code}\n"
