"""Collect video of a behaviour policy into a LeRobotDataset v3 folder.

An explorer acts, for the most part a noisy scripted expert that looks inside the simulator; in a share of the
episodes, `practice`, a planner begins, on a goal of the task's own, and the policy takes over somewhere on the way.
Those episodes show where plans lead, misses above all, and how to go on from there: what an explorer would not come
upon, and a model that has never seen it gets wrong (Ross et al., "A Reduction of Imitation Learning and Structured
Prediction to No-Regret Online Learning", AISTATS 2011).

In a share of the episodes one thing may be otherwise, such as the light: see `forearm.recording.vary`.

The episodes are split into shards of fixed size. A worker process films one shard at a time and hands it to
the writer in one go; a shard is on disk as a whole or not at all. What an episode shows depends on (seed,
episode) alone, so a collection that was killed is continued by filming the shards that are missing.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common.engine.luggage import Luggage
from forearm.common.engine.run import run_jobs
from forearm.common.parallel import import_modules
from forearm.common.seeds import collection_reset_seed, collection_rng, variation_rng
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import environment, varied
from forearm.evaluation.luggage import luggage_of
from forearm.recording.vary import Varying, told

if TYPE_CHECKING:
    from forearm.agent.action_spec import Holding
    from forearm.agent.setup import PlanningSetup
    from forearm.envs import Environment
    from forearm.world_model.data.episode import Episode
    from forearm.world_model.data.writer import DatasetWriter


@dataclass(frozen=True)
class Collection:
    """What is to be collected; the same settings give the same data set, however many processes film it.

    `practice`: share of the episodes that `agent` begins. `varying`: by what episodes are otherwise than usual.
    """

    task: str
    out: Path
    episodes: int
    steps: int
    seed: int = 0
    camera: str | None = None
    resolution: int = 64
    storage: str = "png"
    shard_episodes: int = 25
    use: tuple[str, ...] = ()
    practice: float = 0.0
    agent: "PlanningSetup | None" = None
    varying: Varying | None = None

    def practises(self, episode: int) -> bool:
        """Whether the agent begins this episode: they are spread evenly."""
        return self.practised(episode + 1) > self.practised(episode)

    def practised(self, episodes: int) -> int:
        """How many of the first `episodes` the agent begins."""
        return math.floor(episodes * self.practice + 1e-9)  # 100 times 0.29 is 28.999999999999996


@dataclass(frozen=True)
class CollectionProgress:
    """How far a collection is: shards, episodes and frames on disk, and frames filmed by this call."""

    shards_done: int
    shards: int
    episodes_done: int
    frames_now: int


def practising(
    task: Mapping[str, Any], planner: Mapping[str, Any], replan_every: int | None, hold: "Holding | None" = None
) -> "PlanningSetup":
    """Who practises, with `hold` saying what holds the arm still.

    Raises what `PlanningSetup.resolve` raises, and `ForearmError` for a planner with a deadline, or `hold` of another
    arm.
    """
    from forearm.agent.action_spec import ActionSpec
    from forearm.agent.setup import PlanningSetup

    setup = replace(PlanningSetup.resolve(task, planner, replan_every=replan_every), hold=hold)
    env = environment(task["name"], task["camera"], task["resolution"])
    setup.check_commands(env)
    if hold is not None:
        hold(ActionSpec.of_env(env), {})
    if (deadline := setup.planner_config.get("deadline_ms")) is not None:
        raise ForearmError(
            f"planner.deadline_ms={deadline}: what practice films would depend on how fast this machine is; "
            "set it to null"
        )
    return setup


def collect(collection: Collection, workers: int) -> Iterator[CollectionProgress]:
    """Film what is missing of `collection`; yields at the start and after every shard, and finalises at the
    end.

    Raises `DatasetError` if the folder holds something else or cannot be written, `ForearmError` if a
    worker died.
    """
    writer = open_writer(collection)
    missing = writer.missing_shards()
    lost = sum(len(writer.shard_range(shard)) for shard in missing)
    done, episodes, frames = writer.shards - len(missing), collection.episodes - lost, 0
    yield CollectionProgress(done, writer.shards, episodes, frames)
    for shard, filmed in run_jobs(
        film_shard, [ShardJob(collection.out, collection, shard) for shard in missing], workers
    ):
        done, episodes, frames = done + 1, episodes + len(writer.shard_range(shard)), frames + filmed
        yield CollectionProgress(done, writer.shards, episodes, frames)
    writer.finalise()


def open_writer(collection: Collection) -> "DatasetWriter":
    """The writer of the collection's folder, which it begins or takes up again."""
    from forearm.world_model.data.writer import DatasetWriter

    env = environment(collection.task, collection.camera, collection.resolution)
    columns = dict.fromkeys(env.positions(), ("x", "y", "z"))
    low, high = env.action_space.low, env.action_space.high
    return DatasetWriter(
        collection.out,
        fps=round(1 / env.control_period),
        resolution=collection.resolution,
        state_names=env.state_names,
        action_names=env.action_names,
        task=collection.task,
        total_episodes=collection.episodes,
        fingerprint={
            "policy": "explorer",
            "seed": collection.seed,
            "steps": collection.steps,
            "camera": env.camera,
            **_practice_of(collection),
            **({} if collection.varying is None else {"vary": collection.varying.document}),
        },
        camera_key=f"observation.images.{env.camera}",
        storage=collection.storage,  # type: ignore[arg-type]  # the writer itself checks the word
        shard_episodes=collection.shard_episodes,
        extra=columns,
        units=dict.fromkeys(columns, "m"),
        action_bounds=(low.tolist(), high.tolist()) if np.isfinite([low, high]).all() else None,
    )


@dataclass(frozen=True)
class ShardJob:
    """One shard of a collection, to be written to `out`."""

    out: Path
    collection: Collection
    shard: int

    @property
    def luggage(self) -> list[Luggage]:
        """See `forearm.common.engine.luggage`."""
        return list(luggage_of(self.collection.use, self.collection.agent))


def film_shard(job: ShardJob) -> tuple[int, int]:
    """Film and write one shard, in a worker process; returns its number and how many frames it has."""
    collection, shard = replace(job.collection, out=job.out), job.shard
    import_modules(collection.use)
    writer = open_writer(collection)
    env = environment(collection.task, collection.camera, collection.resolution)
    episodes = [
        film_episode(
            env, collection.seed, e, collection.steps, collection.agent if collection.practises(e) else None,
            collection.varying,
        )
        for e in writer.shard_range(shard)
    ]  # fmt: skip
    writer.write_shard(shard, episodes)
    return shard, sum(len(episode) for episode in episodes)


def film_episode(
    env: "Environment",
    seed: int,
    episode: int,
    steps: int,
    agent: "PlanningSetup | None" = None,
    varying: Varying | None = None,
) -> "Episode":
    """Film one episode of the task's exploratory policy, `steps` control steps long, success or not.

    The episode has steps + 1 frames; true positions of hand and object (m) go into extra columns. `agent`, if given,
    acts first, towards the task's own goal, for an eighth to seven eighths of the steps. What `varying` draws is
    otherwise from the first frame on, and as before in the end.
    """
    reset_seed = collection_reset_seed(seed, episode)
    variation = None if varying is None else varying.drawn(reset_seed)
    with varied([env], variation) as [where]:
        observation, info = where.reset(seed=reset_seed, options={"goal": agent is not None})
        if variation is not None:
            observation = where.vary(variation_rng(reset_seed))
            if agent is not None and varying is not None and varying.goal_too:
                info["goal"] = where.goal(info["goal_state"])
        filmed = _acted(where, observation, info, collection_rng(seed, episode), steps, agent)
    return replace(filmed, about=told(varying, variation))


def _acted(
    env: "Environment",
    observation: dict[str, Any],
    info: Mapping[str, Any],
    rng: np.random.Generator,
    steps: int,
    agent: "PlanningSetup | None",
) -> "Episode":
    """What is seen and done in an episode that has just begun."""
    from forearm.world_model.data.episode import Episode

    acting, takeover = None, 0
    if agent is not None:
        takeover = int(rng.integers(steps // 8, max(steps * 7 // 8, steps // 8 + 1)))
        acting = agent.agent([env])
        acting.reset([info["goal"]], [int(rng.integers(2**31))])
    policy = None
    seen, positions, actions = [observation], [_positions(env)], []
    for step in range(steps):
        if acting is not None and step < takeover:
            decided = acting.act([observation])[0]
            assert decided is not None
            action = np.asarray(decided.action, np.float32)
        else:
            policy = policy or env.explorer(rng)
            action = np.asarray(policy.act(), np.float32)
        observation = env.step(action)[0]
        actions.append(action)
        seen.append(observation)
        positions.append(_positions(env))
    return Episode(
        pixels=np.stack([o["pixels"] for o in seen]),
        state=np.stack([o["proprio"] for o in seen]),
        action=np.stack(actions),
        extra={key: np.stack([p[key] for p in positions]) for key in positions[0]},
    )


def _practice_of(collection: Collection) -> dict[str, object]:
    """What of a fingerprint says who practises; nothing where nobody does, as in earlier versions."""
    if not collection.practice or collection.agent is None:
        return {}
    agent = collection.agent
    chosen = {
        "planner": dict(agent.planner_config),
        "replan_every": agent.replan_every,
        "checkpoint": agent.fingerprint,
    }
    chosen |= {} if agent.hold is None else {"hold": agent.hold.document}
    chosen |= {key: agent.task.get(key) for key in ("objective", "proposals", "prior_spread", "prior_gain")}
    return {"practice": collection.practice, "agent": chosen}


def _positions(env: "Environment") -> dict[str, np.ndarray]:
    """True positions by column name, each (3,) float32 in metres."""
    return {name: np.asarray(value, np.float32) for name, value in env.positions().items()}
