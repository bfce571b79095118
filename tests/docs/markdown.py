"""What stands in a page: blocks of code, commands, pictures, sentences."""

import re
import shlex

from tools.site.links import ROOT, pages

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in pages()}
EXAMPLES = {"…": "", "task=…": "task=push", "task=TASK": "task=push", "protocol=PROTOCOL": "protocol=rest"}
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.S | re.M)


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return [found[3] for found in _FENCED.finditer(text) if found[2] == language]


def commands(text: str) -> list[list[str]]:
    """Words of each `forearm …` of a page, in blocks and within sentences, without the first.

    A shell variable stands for what the page sets it to, and words that stand for any are an example of them.
    """
    text = re.sub(r"\\\n", " ", _FENCED.sub(lambda found: found[3] if found[2] in ("", "bash", "sh") else "", text))
    lines = [found[1] for found in re.finditer(r"^ {4,}(?:[A-Z_]+=\S+ )*(?:torchrun .* -m )?(forearm .*)$", text, re.M)]
    inline = [" ".join(found[1].split()) for found in re.finditer(r"`(?:torchrun [^`]* -m )?(forearm\s[^`]*)`", text)]
    given = dict(re.findall(r'^ {4,}(\w+)="([^"]*)"$', text, re.M))
    found = [re.sub(r"\$(\w+)", lambda name: given[name[1]], line) for line in lines + inline]
    words = [[EXAMPLES.get(word, word) for word in shlex.split(line, comments=True)[1:]] for line in found]
    return [[word for word in line if word] for line in words]


def pictures(text: str) -> list[tuple[str, str]]:
    """Alternative text and target of each picture."""
    return re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", _FENCED.sub("", text))


def sentences(text: str) -> list[str]:
    """Sentences of a page's prose: no code, no tables, no headings, no pictures; links by their text."""
    text = re.sub(r"^(?: {4}.*| *\|.*|#.*|!\[.*)$", "", _FENCED.sub("", text), flags=re.M)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^ *(?:[-*]|\d+\.) ", "\n", text, flags=re.M)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [sentence for part in paragraphs for sentence in re.split(r"(?<=[.?!]) ", part) if sentence]
