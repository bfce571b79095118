"""Public names of before: they still work, and say what they are called now."""

import pytest

import forearm
import forearm.serve


def test_the_loaded_model_answers_to_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"forearm\.LoadedModel"):
        assert forearm.Brain is forearm.LoadedModel


def test_the_remote_plan_source_answers_to_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"forearm\.serve\.RemotePlanSource"):
        assert forearm.serve.RemoteMind is forearm.serve.RemotePlanSource
