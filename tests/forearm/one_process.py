"""`python -m tests.forearm.one_process WORDS` is `forearm WORDS` in one process and on one thread, to be killed."""

import sys
from collections.abc import Callable
from typing import Any

from forearm.cli.main import main
from forearm.evaluation import comparison
from forearm.recording import collect
from forearm.world_model.training import report


def in_one_process(replace: Callable[[Any, str, Any], None]) -> None:
    """With `replace`, such as `setattr`, films and episodes are made here one after the other, and reports of trainings
    say less well how much latents show.
    """
    replace(report, "PROBE_STEPS", 2)
    for module in (collect, comparison):
        replace(module, "run_jobs", lambda function, jobs, workers: map(function, jobs))


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    in_one_process(setattr)
    sys.exit(main(sys.argv[1:]))
