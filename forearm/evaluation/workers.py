"""What a worker process of a comparison does: run a chunk of episodes."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.agent import Acting
from forearm.agent.candidates import overheard
from forearm.agent.setup import LEARNED
from forearm.common.engine.luggage import Luggage
from forearm.common.files import write_json
from forearm.common.parallel import import_modules, one_thread
from forearm.evaluation.closed_loop import Outcome, Recording, run_episodes
from forearm.evaluation.contenders import Contender
from forearm.evaluation.env_pool import environment, varied
from forearm.evaluation.labels import file_stem
from forearm.evaluation.live import LiveEpisodes
from forearm.evaluation.luggage import luggage_of
from forearm.evaluation.manifest import HeldOutEpisode
from forearm.evaluation.protocol import rules_of
from forearm.evaluation.results import outcomes_in
from forearm.live.feed import feed_to

PUT_AWAY = "put-away.json"
"""Name of a row's file of outcomes that were of a table before, and are not of the one that took its place."""


@dataclass(frozen=True)
class ChunkJob:
    """Episodes of one contender that are run together. Those whose number is below `films` are filmed.

    `live`: where a page takes news of them, see `forearm.live`; None: nobody looks on.
    """

    contender: Contender
    episodes: tuple[HeldOutEpisode, ...]
    out: Path
    films: int
    live: str | None = None

    @property
    def luggage(self) -> list[Luggage]:
        """See `forearm.common.engine.luggage`."""
        return list(luggage_of(self.contender.use, self.contender.setup))


def run_chunk(job: ChunkJob) -> tuple[Contender, list[Outcome]]:
    """Run the episodes of `job`, write their films, and then, last, their outcomes."""
    contender = job.contender
    import_modules(contender.use)
    began = time.monotonic()
    with one_thread():
        task = contender.task
        agent, envs = _agent(contender, len(job.episodes))
        nothing = np.zeros((0,), np.uint8)
        filmed = {b: e.episode for b, e in enumerate(job.episodes) if e.episode < job.films}
        rules = rules_of(contender.protocol, task)
        blind = contender.dynamics != LEARNED
        imagination = contender.setup.imagination() if filmed or job.live else None
        live = None if job.live is None else LiveEpisodes(feed_to(job.live), contender.label)
        heard = overheard(agent, bool(filmed) or live is not None)
        with heard as tried, varied(envs, contender.variation) as where:
            recordings = {number: Recording(nothing, candidates=partial(tried.get, b)) for b, number in filmed.items()}
            if live is not None:
                live.tried = tried
            outcomes = run_episodes(
                agent, where, job.episodes, contender.seed, task["max_steps"], recordings, rules, blind,
                contender.to_end, contender.goal_varies, imagination, live,
            )  # fmt: skip
    for outcome in outcomes:
        if outcome.episode in recordings:
            from forearm.evaluation.film import write_film

            path = film_path(job.out, contender.label, outcome.episode)
            write_film(path, recordings[outcome.episode], contender.label, outcome)
    for outcome in outcomes:
        outcome.seconds = (time.monotonic() - began) / len(outcomes)
    _keep(partial_path(job), outcomes)
    return contender, outcomes


def partial_path(job: ChunkJob) -> Path:
    """Where the outcomes of a chunk are kept."""
    first, last = job.episodes[0].episode, job.episodes[-1].episode
    return job.out / "partial" / job.contender.key / f"{first:05d}-{last:05d}.json"


def film_path(out: Path, label: str, episode: int) -> Path:
    """Where the film of an episode of the contender `label` is put."""
    return out / "films" / f"{file_stem(label)}-{episode:03d}.mp4"


def finished(
    out: Path,
    contender: Contender,
    episodes: Sequence[HeldOutEpisode],
    row: Mapping[str, Any] | None = None,
    films: int = 0,
) -> dict[int, Outcome]:
    """Outcomes by episode number that an earlier call left for this contender, in files or in a `row` of its results;
    what cannot be read is run again, and so are the first `films` of those that were put away: another row may have
    taken the names of their films.
    """
    seeds = {episode.episode: episode.seed for episode in episodes}
    found = {o.episode: o for o in outcomes_in(row) if seeds.get(o.episode) == o.seed} if row else {}
    for path in _kept(out, contender.key):
        first = films if path.name == PUT_AWAY else 0
        found |= {o.episode: o for o in _read(path) if seeds.get(o.episode) == o.seed and o.episode >= first}
    return found


def put_away(out: Path, rows: Mapping[str, Mapping[str, Any]], earlier: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what an `earlier` table holds and the new one, `rows` by their keys, does not: whoever asks for those rows
    and episodes again has them.
    """
    for key, row in earlier.items():
        held = _held(rows, key)
        if beyond := [one for one in outcomes_in(row) if (one.episode, one.seed) not in held]:
            path = out / "partial" / key / PUT_AWAY
            _keep(path, [*_read(path), *beyond])


def tidy(out: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Remove files of outcomes that the table, `rows` by their keys, holds, and put away what is in others."""
    for folder in (out / "partial").glob("*"):
        files, held = _kept(out, folder.name), _held(rows, folder.name)
        found = {(one.episode, one.seed): one for path in files for one in _read(path)}
        beyond = [one for which, one in sorted(found.items()) if which not in held]
        if beyond:
            _keep(folder / PUT_AWAY, beyond)
        for path in files:
            if not (beyond and path.name == PUT_AWAY):
                path.unlink(missing_ok=True)
    for folder in (*(out / "partial").glob("*"), out / "partial"):
        with suppress(OSError):
            folder.rmdir()


def _held(rows: Mapping[str, Mapping[str, Any]], key: str) -> set[tuple[int, int]]:
    """Episodes of a row, with their seeds."""
    return {(told["episode"], told["seed"]) for told in rows.get(key, {}).get("outcomes", ())}


def _kept(out: Path, key: str) -> list[Path]:
    return sorted((out / "partial" / key).glob("*.json"))


def _keep(path: Path, outcomes: Sequence[Outcome]) -> None:
    from forearm.planner.plan_json import or_none

    # A simulation that diverged is nowhere, and JSON has no number for that.
    write_json(path, [{**asdict(o), "final_distance_m": or_none(o.final_distance_m)} for o in outcomes])


def _read(path: Path) -> list[Outcome]:
    """Those of a file; none of one that cannot be read."""
    from forearm.planner.plan_json import or_infinite

    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        far = [or_infinite(entry["final_distance_m"]) for entry in entries]
        return [Outcome(**{**e, "final_distance_m": d}) for e, d in zip(entries, far, strict=True)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


@cache
def _agent(contender: Contender, size: int) -> tuple[Acting, list[Any]]:
    # Loading a checkpoint and building environments takes longer than an episode, so a process keeps them.
    task = contender.task
    envs = [environment(task["name"], task["camera"], task["resolution"], b) for b in range(size)]
    return contender.setup.agent(envs), envs
