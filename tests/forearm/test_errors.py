import errno

import pytest

from forearm.errors import ForearmError, did_you_mean, disk_message, user_message
from forearm.planner import make_planner


def test_the_nearest_name_is_suggested_whatever_its_case() -> None:
    assert did_you_mean("Psuh", ["reach", "push"]) == "; did you mean 'push'?"
    assert did_you_mean("zzz", ["reach", "push"]) == "; choose from push, reach"
    assert did_you_mean("zzz", []) == ""


def test_a_full_disk_is_said_in_words() -> None:
    assert "disk is full (a.png)" in disk_message(OSError(errno.ENOSPC, "No space left", "a.png"))


def test_messages_are_one_line() -> None:
    assert user_message(ForearmError("a\n  b")) == "a b"


def test_a_value_error_of_a_room_is_the_users_and_one_of_a_library_is_ours() -> None:
    with pytest.raises(ValueError) as ours:
        make_planner("cem", elites=99, samples=10)
    assert "elites" in str(user_message(ours.value))
    assert user_message(TypeError("a defect")) is None
