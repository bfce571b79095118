import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

pytest.importorskip("mcp")

import forearm
from forearm.control import load_robot
from forearm.serve.mcp.bounds import Bounds
from forearm.serve.mcp.workplace import Workplace

ROOT = Path(__file__).parents[2]
WORDS = ["task=push", "planner=cem", "planner.samples=16", "planner.iterations=2", "planner.elites=4"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
TOKEN = "a token that is long enough"


def command(*words: str) -> list[str]:
    return ["-c", "import sys; from forearm.cli.main import main; sys.exit(main())", "mcp", *WORDS, *words]


@pytest.fixture(scope="session")
def loaded() -> Any:
    return forearm.load("push")


@pytest.fixture
def workplace(loaded: Any) -> Iterator[Callable[..., Workplace]]:
    """Makes a workplace in this thread, with bounds as they are given."""
    made: list[Workplace] = []

    def make(surprising: Any = None, goals: Path | None = None, **bounds: Any) -> Workplace:
        env = forearm.make_env("push")
        setup = loaded.setup("cem", samples=16, iterations=2, elites=4)
        made.append(
            Workplace(
                loaded, setup, env, load_robot("panda"), Bounds(**bounds), goals=goals,
                check_goals=False, surprising=surprising,
            )
        )  # fmt: skip
        return made[-1]

    yield make
    for place in made:
        place.env.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server of its own process, which lets the arm move and wants a token."""
    token = tmp_path_factory.mktemp("token") / "token.txt"
    token.write_text(TOKEN)
    words = command("transport=http", "port=0", f"token_file={token}", "allow_motion=true", "max_message_kib=64")
    with subprocess.Popen(
        [sys.executable, *words], env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            said = ""
            while "http://" not in said:
                line = server.stderr.readline()
                assert line, f"the server ended: {said}"
                said += line
            yield said[said.index("http://") :].split()[0]
        finally:
            server.terminate()
            assert server.wait(30) == 0
