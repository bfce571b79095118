"""World models as they were read from disk, with the heads that go with them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from forearm.agent.checkpoint_checks import check_heads, check_ranking, check_subgoal, check_task, part_of
from forearm.agent.checkpoint_reading import (
    CPU,
    file_beside,
    loaded,
    place_of,
    read_decoder,
    read_heads,
    read_part,
)
from forearm.agent.latent import proposals_of, reason_for_heads, weight_of
from forearm.common.dotted import is_dotted
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.agent.sensor_fit import SensorFit
    from forearm.world_model.data.incoming import FrameFit
    from forearm.world_model.heads.checkpoint import Heads
    from forearm.world_model.heads.decoder import Decoder
    from forearm.world_model.heads.ranking import Ranking
    from forearm.world_model.heads.ways import Ways
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.model.predictors import ResidualPredictor

logger = logging.getLogger(__name__)

OF_A_CHECKPOINT = ("checkpoint", "heads", "student", "subgoals", "rankings")
"""Of a task's config: what another checkpoint has others of."""


class HeadsMissing(ForearmError):
    """Something needs heads of a world model, and there are none."""


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """A world model that was read for one task: it and its parts stay what they were, whatever becomes of the files.

    Attributes:
        model: in evaluation mode.
        document: its checkpoint's description.
    """

    model: "JEPA"
    document: dict[str, Any]
    _parts: dict[tuple[str, Path], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, task: Mapping[str, Any], device: str = CPU) -> "LoadedCheckpoint":
        """The checkpoint that a task's config names, which must be made for this task (it may be one of several) and
        this camera; or the model of one's own, `module:function`, which is where it is. Weights go to
        a torch `device`.

        Raises `CheckpointError` for one that cannot be read, `DeviceError` for a device that is not here, and
        `ForearmError` that says what differs for a wrong one, or that knows no commands.
        """
        if is_dotted(name := str(task["checkpoint"])):
            from forearm.agent.own_model import read_own

            return cls(*read_own(name, task))
        found = cls(*loaded(name, device))
        check_task(found.model, found.document, task)
        _ = found.fit  # what is wrong with it is told now
        return found

    @cached_property
    def fit(self) -> "FrameFit | SensorFit":
        """What makes frames of any size the model's, as its training did, or readings those that it knows; raises
        ValueError for a foreign rule.
        """
        from forearm.agent.sensor_fit import SensorFit

        if self.model.config.encoder == "sensors":
            return SensorFit.of(self.document)
        from forearm.world_model.data.incoming import FrameFit

        return FrameFit.of(self.document, int(self.model.config.resolution))

    @property
    def device(self) -> str:
        """Where its weights are."""
        return str(self.model.device)

    @property
    def fingerprint(self) -> str:
        """What tells one world model from another."""
        return fingerprint(self.document)

    def heads(self, task: Mapping[str, Any]) -> "Heads | None":
        """The heads that a task's config needs, those beside its checkpoint unless it names others; None if it needs
        none. They are read once.

        Raises `ForearmError` where there are none, `CheckpointError` for those that cannot be read or belong to another
        world model, ValueError for a config that makes no sense.
        """
        from forearm.world_model.heads.checkpoint import heads_path

        if (reason := reason_for_heads(task["objective"], proposals_of(task))) is None:
            return None
        path, heads = self._part(
            task, "heads", heads_path, read_heads, f"{reason} needs heads", "plan without them, planner=cem",
            lambda path: f"train them with 'forearm train-heads task={task['name']}', or plan without them, "
            "planner=cem",
        )  # fmt: skip
        check_heads(heads, path, task)
        return cast("Heads", heads)

    def subgoal(self, task: Mapping[str, Any]) -> "tuple[Ways, dict[str, Any]] | None":
        """The sub-goals that a task's config needs, and their description: those beside its checkpoint unless it names
        others; None if it needs none. They are read once.

        Raises `HeadsMissing` where there are none, `CheckpointError` for those that cannot be read or belong to another
        world model, `ForearmError` for those of another task or that end sooner.
        """
        from forearm.world_model.heads.subgoal_checkpoint import load_subgoal, subgoal_path

        wanted, name = task["objective"].get("subgoal"), task["name"]
        if wanted is None:
            return None
        path, found = self._part(
            task, "subgoals", subgoal_path, partial(read_part, load_subgoal),
            f"objective.subgoal={wanted} needs sub-goals", "set it to null",
            lambda path: f"train them with 'forearm train-heads task={name} parts=[{part_of(path)}]', or plan without "
            f"them, {name}.guided.subgoal=null for planner=guided, else {name}.objective.subgoal=null",
        )  # fmt: skip
        head, document = cast("tuple[Ways, dict[str, Any]]", found)
        check_subgoal(head, document, path, task)
        return head, document

    def ranking(self, task: Mapping[str, Any]) -> "tuple[Ranking, dict[str, Any]] | None":
        """The ranking that a task's config needs, and its description, as `subgoal`; raises alike."""
        from forearm.world_model.heads.ranking_checkpoint import load_ranking, ranking_path

        if not (weight := weight_of(task["objective"], "ranking")):
            return None
        path, found = self._part(
            task, "rankings", ranking_path, partial(read_part, load_ranking),
            f"objective.ranking={weight:g} needs a ranking", "set it to 0",
            lambda path: f"draw pools with 'forearm pools task={task['name']}' and train it with 'forearm train-heads "
            f"task={task['name']} parts=[ranking] pools=[FOLDER]', or set it to 0",
        )  # fmt: skip
        check_ranking(found[1], path, task)
        return cast("tuple[Ranking, dict[str, Any]]", found)

    def _part(
        self,
        task: Mapping[str, Any],
        key: str,
        beside: Callable[[str | Path], Path],
        load: Callable[[Path, str, str], Any],
        needs: str,
        without: str,
        remedy: Callable[[Path], str],
    ) -> tuple[Path, Any]:
        """The file that a task's config names as `key`, or that lies `beside` its checkpoint, and what is in it, read
        once. Raises `HeadsMissing`, which says what `needs` it, for a model of one's own, with how to do `without`, and
        where there is no such file, with the `remedy`.
        """
        name = str(task["checkpoint"])
        if is_dotted(name):
            raise HeadsMissing(f"{needs}, which model {name} has not: {without}")
        path = file_beside(task, key, beside)
        if (key, path) not in self._parts:
            if not path.is_file():
                raise HeadsMissing(f"{needs} of checkpoint '{name}', but there is no {path}: {remedy(path)}")
            self._parts[key, path] = load(path, str(self.document["weights_sha256"]), self.device)
        return path, self._parts[key, path]

    def student(self, task: Mapping[str, Any]) -> "tuple[ResidualPredictor, dict[str, Any]] | None":
        """The student that a task's config wants in the place of the predictor, and its description; None for none.

        Raises `HeadsMissing` where there is none, `CheckpointError` for one that cannot be read or was taught by
        another world model.
        """
        from forearm.world_model.heads.student_checkpoint import load_student, student_path

        if not (wanted := task.get("student")):
            return None
        _, found = self._part(
            task, "student", student_path, partial(read_part, load_student),
            f"student={wanted} needs a student", "set it to null",
            lambda path: f"train one with 'forearm train-heads task={task['name']} parts=[student]', or plan with the "
            f"checkpoint's own predictor: no planner=fast, and {task['name']}.student=null",
        )  # fmt: skip
        return cast("tuple[ResidualPredictor, dict[str, Any]]", found)

    def predicting(self, task: Mapping[str, Any]) -> "JEPA":
        """The model that plans are made with: with the student where the task's config wants one; raises as that."""
        from forearm.world_model.heads.student import with_student

        found = self.student(task)
        return self.model if found is None else with_student(self.model, found[0])

    def decoder(self, task: Mapping[str, Any]) -> "Decoder":
        """What draws the latents: of the file that a task's config names, or beside its checkpoint.

        Raises `ForearmError` where there is none, `CheckpointError` for one that cannot be read or belongs to another
        world model.
        """
        from forearm.world_model.heads.decoder_checkpoint import decoder_path

        if is_dotted(str(task["checkpoint"])):
            raise ForearmError(f"model {task['checkpoint']} has no decoder, so what it imagines cannot be drawn")
        path = file_beside(task, "decoder", decoder_path)
        if not path.is_file():
            raise ForearmError(
                f"drawing what is imagined needs a decoder of checkpoint '{task['checkpoint']}', but there is no "
                f"{path}: train one with 'forearm train-heads task={task['name']} parts=[decoder]'"
            )
        return read_decoder(path, str(self.document["weights_sha256"]))

    def decoder_if_any(self, task: Mapping[str, Any]) -> "Decoder | None":
        """The same where pictures do without it: None where there is none; one beside the checkpoint that does not fit
        is told in a warning. Raises like `decoder` for one that the config names.
        """
        from forearm.world_model.heads.decoder_checkpoint import decoder_path

        if task.get("decoder"):
            return self.decoder(task)
        name = str(task["checkpoint"])
        if is_dotted(name) or not decoder_path(place_of(name)).is_file():
            return None
        try:
            return self.decoder(task)
        except ForearmError as error:
            logger.warning("what is imagined is not drawn: %s", error)
            return None

    def check_horizon(self, task: Mapping[str, Any], horizon: int) -> None:
        """Raise `ForearmError` unless the steps of the model divide `horizon`, in control steps, and a sub-goal, and
        what is ranked, lie within it.
        """
        frameskip, usual = self.model.config.frameskip, task["frameskip"]
        if horizon % frameskip:
            unusual = "" if frameskip == usual else f" (task {task['name']} has {task['name']}.frameskip={usual})"
            next_one = -(-horizon // frameskip) * frameskip
            raise ForearmError(
                f"horizon={horizon} is no multiple of {frameskip}, the control steps in one step of "
                f"checkpoint '{task['checkpoint']}'{unusual}; try planner.horizon={next_one}"
            )
        if (subgoal := task["objective"].get("subgoal")) is not None and subgoal > horizon:
            raise ForearmError(
                f"objective.subgoal={subgoal} lies beyond horizon={horizon}: lower it, or look further ahead, "
                f"planner.horizon={subgoal}"
            )
        if (found := self.ranking(task)) is not None and (ranked := found[0].steps * frameskip) > horizon:
            raise ForearmError(
                f"the ranking of '{task['checkpoint']}' ranks ways of {ranked} control steps, beyond horizon={horizon}"
                f": look further ahead, planner.horizon={ranked}, or set objective.ranking=0"
            )


def settled(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's config, with what a model of one's own decides as that has it; `ForearmError` for one that fails."""
    if not is_dotted(str(task["checkpoint"])):
        return dict(task)
    from forearm.agent.own_model import as_own

    return as_own(task)


def fingerprint(document: Mapping[str, Any]) -> str:
    """What tells one checkpoint from another: the hash of its weights, shortened."""
    return str(document["weights_sha256"])[:16]
