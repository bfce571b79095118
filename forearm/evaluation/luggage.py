"""What jobs take along to another machine: world models and code of the user's own."""

from collections.abc import Iterator, Sequence

from forearm.agent.checkpoint_files import checkpoint_files
from forearm.agent.setup import LEARNED, PlanningSetup
from forearm.common.engine.luggage import Luggage
from forearm.evaluation.own_code import own_code_files


def luggage_of(use: Sequence[str], setup: PlanningSetup | None = None) -> Iterator[Luggage]:
    """The modules `use`, and what `setup` plans with. Raises like `own_code_files` and `checkpoint_files`."""
    if setup is not None and setup.dynamics == LEARNED:
        yield from checkpoint_files(setup.task)
    code = own_code_files((*use, *(setup.own_modules if setup is not None else ())))
    if code:
        yield Luggage(None, code)
