import os
import subprocess
import sys

import pytest

from forearm.envs import rendering


def test_a_back_end_works_here_and_is_left_for_children():
    backend = rendering.working_backend()
    assert backend in rendering.BACKENDS and os.environ["MUJOCO_GL"] == backend


def test_a_back_end_that_was_found_is_left_for_children_again(monkeypatch):
    found = rendering.working_backend()
    monkeypatch.delenv("MUJOCO_GL")
    assert rendering.working_backend() in rendering.BACKENDS and os.environ["MUJOCO_GL"] == rendering.working_backend()
    monkeypatch.setenv("MUJOCO_GL", found)


def test_a_back_end_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "crayon")
    with pytest.raises(rendering.RenderingUnavailable, match="crayon"):
        rendering.working_backend()


def test_without_any_the_remedy_is_named(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "probe", lambda backend: False)
    rendering._first_that_draws.cache_clear()
    try:
        with pytest.raises(rendering.RenderingUnavailable, match="apt-get install libosmesa6"):
            rendering.working_backend()
    finally:
        monkeypatch.undo()
        rendering._first_that_draws.cache_clear()


def test_a_process_that_renders_ends_without_complaint():
    # Something that is finalised at exit is registered first, as torch's are: what is registered later ends earlier.
    code = """
import weakref
thing = type('Thing', (), {})()
weakref.finalize(thing, print)
from forearm import envs
envs_alive = [envs.make(task) for task in ('reach', 'push')]
for env in envs_alive:
    env.reset(seed=0)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0 and "Error" not in run.stderr, run.stderr
