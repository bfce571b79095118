"""Hooks of mkdocs: pages for the settings, and pages for the files that links lead to outside of docs/.

A link to `../planner/algorithms/cem.py#L79-L86` leads to the file where the repository is browsed. In the site it leads
to a page with that file, at that line.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.site import settings
from tools.site.links import LINES, LINK, ROOT, links_of, pages

SOURCE = "source"
"""Folder of the site with the files that are linked to."""
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".xml": "xml", ".sh": "bash", ".toml": "toml"}


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
    here = source or Path(config.docs_dir) / uri
    docs = Path(config.docs_dir)

    def led(found: re.Match[str]) -> str:
        target = found["target"]
        if not target or "://" in target:
            return found[0]
        path = (here.parent / target).resolve()
        inside = docs in path.parents
        if not path.is_file() or (inside and source is None):
            return found[0]
        wanted = path.relative_to(docs).as_posix() if inside else _page_of(path)
        lines = LINES.fullmatch(found["anchor"] or "")
        anchor = f"#__codelineno-0-{lines[1]}" if lines else f"#{found['anchor']}" if found["anchor"] else ""
        return f"[{found['text']}]({os.path.relpath(wanted, os.path.dirname(uri))}{anchor})"

    parts = re.split(r"(^(?:```|~~~).*?^(?:```|~~~)~*$)", markdown, flags=re.S | re.M)
    return "".join(part if part.startswith(("```", "~~~")) else LINK.sub(led, part) for part in parts)


def _linked(docs: Path) -> set[Path]:
    """Files of the repository, outside of docs/, that its pages lead to; and those to which these lead in turn."""
    found: set[Path] = set()
    waiting = [page for page in pages(ROOT) if docs in page.parents]
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
    head = f"---\ntitle: {name}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{name}`\n\n"
    return f'{head}~~~~ {{.{LANGUAGES.get(path.suffix, "text")} linenums="1"}}\n{text}\n~~~~\n'
