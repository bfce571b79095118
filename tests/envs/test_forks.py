"""Drawing in a forked process: it says what to do instead of waiting for ever."""

import os
import subprocess
import sys

import pytest

from forearm import envs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

START = """
import gc, multiprocessing, os, sys, warnings
import gymnasium, mujoco
from forearm import envs

def worker(say, env=None):
    try:
        if env is None:
            env = envs.make("reach")
            env.reset(seed=0)
        env.render()
        say.send("drew")
    except Exception as error:
        say.send(f"{type(error).__name__}: {error}")

def told_by_a_worker(how, env=None):
    context = multiprocessing.get_context(how)
    listen, say = context.Pipe(False)
    process = context.Process(target=worker, args=(say, env), daemon=True)
    process.start()
    print(listen.recv() if listen.poll(60) else "hangs")
    process.join(30)
    print("ended with", process.exitcode)
"""


def said_by(code: str) -> str:
    """What a program prints that must end within its time; the text of a hanging one is no excuse."""
    envs.working_backend()  # which is left in the environment, also for a program that draws without forearm
    run = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "code",
    [
        "env = envs.make('push'); env.reset(seed=0); told_by_a_worker('fork')",
        "env = envs.make('push'); env.reset(seed=0); told_by_a_worker('fork', env)",
        "env = envs.make('push'); env.reset(seed=0); env.close(); told_by_a_worker('fork')",
        "model = mujoco.MjModel.from_xml_string('<mujoco/>')\n"
        "drawn = mujoco.Renderer(model, 16, 16); told_by_a_worker('fork')",
    ],
    ids=["another", "the same", "closed", "drawn by mujoco"],
)
def test_a_forked_worker_says_what_to_do_once_a_frame_was_drawn(code):
    said = said_by(code)
    assert said.startswith("RenderingUnavailable: ") and 'context="spawn"' in said and "ended with 0" in said


def test_a_worker_that_was_forked_before_the_first_frame_draws():
    said = said_by("env = envs.make('push'); told_by_a_worker('fork'); env.reset(seed=0); print(env.render().any())")
    assert said.split("\n")[:3] == ["drew", "ended with 0", "True"]


def test_gymnasiums_vector_environment_raises_it():
    said = said_by("""
envs.make("push").reset(seed=0)
warnings.simplefilter("ignore")
vector = gymnasium.vector.AsyncVectorEnv([lambda: envs.make("reach")] * 2, context="fork")
try:
    vector.reset(seed=0)
except envs.RenderingUnavailable as error:
    print(error)
vector.close(terminate=True)
""")
    assert "forked" in said and "forkserver" in said


def test_a_forked_process_ends_and_its_parent_goes_on_drawing():
    said = said_by("""
env = envs.make("push")
env.reset(seed=0)
child = os.fork()
if not child:
    env.close()
    del env
    gc.collect()
    # OSMesa's own exit handlers crash in a forked process; workers of multiprocessing end without them as well.
    (os._exit if "mujoco.osmesa" in sys.modules else sys.exit)(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), env.render().any())
""")
    assert said.split() == ["7", "True"]
