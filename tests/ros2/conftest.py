import pytest

pytest.importorskip("cyclonedds")
pytest.importorskip("mcap")
pytest.importorskip("rosbags")
