"""A diagnosis in pieces for worker processes, each of which is kept on disk once it is done."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from forearm.common.engine.luggage import Luggage
from forearm.common.files import is_brought, place, write_json
from forearm.common.parallel import import_modules, one_thread
from forearm.diagnosis import probe as probes
from forearm.diagnosis.cells import Cell
from forearm.diagnosis.pools import PoolFigures
from forearm.diagnosis.study import Diagnosed, Effort, diagnosed, explored, ranking
from forearm.diagnosis.subject import Subject
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.code_hash import code_sha256
from forearm.evaluation.contenders import Contender
from forearm.evaluation.env_pool import environment
from forearm.evaluation.luggage import luggage_of
from forearm.evaluation.manifest import HeldOutEpisode
from forearm.evaluation.protocol import rules_of

CELL, AS_IT_IS, RANKING, EXPLORE = "cell", "as-it-is", "ranking", "explore"


@dataclass(frozen=True)
class Job:
    """One piece: `kind` of work on `number`, an episode's or an explored episode's."""

    kind: str
    contender: Contender
    number: int
    out: Path
    effort: Effort
    cell: Cell | None = None
    episode: HeldOutEpisode | None = None

    @property
    def folder(self) -> Path:
        """Of all pieces of this diagnosis: what was done with other settings or other code lies elsewhere."""
        parts = [code_sha256("diagnosis"), self.contender.key, asdict(self.effort)]
        return self.out / "partial" / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def luggage(self) -> list[Luggage]:
        """See `forearm.common.engine.luggage`."""
        probe = [] if self.kind == EXPLORE else [Luggage(self._probe_name, {self.probe.name: self.probe})]
        return [*luggage_of(self.contender.use, self.contender.setup), *probe]

    @property
    def _probe_name(self) -> str:
        return f"{self.folder.name}/{self.probe.name}"

    @property
    def place(self) -> Path:
        """Of its answer, below `out`, which differs between machines."""
        return self.path.relative_to(self.out)

    def fitted(self) -> "probes.Probe":
        """The probe, from where it is kept or was brought."""
        return probes.load(place(self._probe_name) if is_brought(self._probe_name) else self.probe)

    @property
    def path(self) -> Path:
        """Where its answer is kept."""
        return self.folder / (self.kind if self.cell is None else self.cell.name) / f"{self.number:05d}.json"

    @property
    def probe(self) -> Path:
        """Where the probe is kept."""
        return self.folder / "probe.safetensors"


def do(job: Job) -> tuple[Job, Any]:
    """Do a piece in a worker process, and keep what it came to."""
    import_modules(job.contender.use)
    with one_thread():
        subject = subject_of(job.contender)
        if job.kind == EXPLORE:
            [part] = explored(subject, job.contender.seed, [job.number], job.effort.explore_steps)
            return job, part
        assert job.episode is not None
        if job.kind == RANKING:
            answer: Any = ranking(subject, job.episode, job.contender.seed, job.effort)
        else:
            probe = job.fitted()
            if job.kind == AS_IT_IS:
                answer = asdict(diagnosed(subject, job.episode, job.contender.seed, probe, job.effort))
            else:
                assert job.cell is not None
                answer = asdict(subject.run(job.cell, job.episode, job.contender.seed, probe)[0])
    write_json(job.path, answer)
    return job, answer


def kept(job: Job) -> Any:
    """What an earlier call left of this piece; None where it has to be done."""
    try:
        return json.loads(job.path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def outcome_of(answer: Mapping[str, Any]) -> Outcome:
    """Of a piece of kind `CELL`."""
    return Outcome(**answer)


def diagnosed_of(answer: Mapping[str, Any]) -> Diagnosed:
    """Of a piece of kind `AS_IT_IS`."""
    pools = [PoolFigures(**figures) for figures in answer["pools"]]
    return Diagnosed(Outcome(**answer["outcome"]), pools, answer["probe_m"], answer["goal_steps"])


@cache
def subject_of(contender: Contender) -> Subject:
    """What a contender's settings describe; raises what `PlanningSetup.in_env` raises."""
    task = contender.task
    env = environment(task["name"], task["camera"], task["resolution"])
    setup, rules = contender.setup.in_env(env), rules_of(contender.protocol, task)
    return Subject(env, setup.latent_model(), setup.planner(), rules, setup.replan_every, task["max_steps"])
