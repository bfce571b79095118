"""Recipes of `learn`: what a task is learned with where the defaults of the command are not the best for it.

They are files of `configs/recipe`, called as the task, with settings of `learn` by key. They are no part of a task's
own config, which says what is measured, and not how somebody has learned it.
"""

from collections.abc import Sequence
from pathlib import Path

from forearm.common.nested import leaves
from forearm.errors import ForearmError
from forearm.settings import words as texts

LEARN, RECIPE = "learn", "recipe"
"""The command that has them, and their folder."""


def recipe(task: str, own: Sequence[Path]) -> list[tuple[str, str]]:
    """What a task that has a recipe is learned with, as keys and texts.

    Args:
        task: its name.
        own: folders of the user's own where configs are looked for, after this package's.

    Raises:
        ForearmError: a file that makes no config.
    """
    from forearm.settings.yaml_files import compose

    found = compose(f"{RECIPE}/{task}", {}, own)
    for part in (RECIPE, *task.split("/")[:-1]):  # Hydra's place for what a folder holds
        found = found.get(part) or {}
        if not isinstance(found, dict):
            raise ForearmError(f"the config {RECIPE}/{task} holds no settings, but {found}")
    return [(key, texts.written(value)) for key, value in leaves(found)]
