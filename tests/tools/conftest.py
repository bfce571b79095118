import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.forearm.conftest import checkpoints

__all__ = ["checkpoints"]
