"""The README's Python blocks, run one after the other as a reader would type them."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) >= 4
    from forearm import envs

    known = dict(envs.TASKS)
    names: dict = {"__name__": "readme"}
    try:
        for block in blocks:
            exec(compile(block, str(README), "exec"), names)
    finally:
        envs.TASKS.clear()
        envs.TASKS.update(known)
    assert (tmp_path / "plan.json").exists()
