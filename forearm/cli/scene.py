"""What `forearm plan` and `forearm imagine` begin with: frames from files, or sampled in the task's simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forearm import envs
from forearm.agent.camera_check import Views
from forearm.agent.image_file import by_camera
from forearm.agent.of_checkpoint import OfCheckpoint
from forearm.agent.places import check_places, draw_goal
from forearm.common.seeds import evaluation_reset_seed
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import environment
from forearm.settings.words import written


@dataclass(frozen=True, eq=False)
class Scene:
    """Where a plan begins, and where it is to lead.

    Attributes:
        start: (R, R, 3) uint8; of a model of sensors (P,) readings, as its goal.
        goal: (R, R, 3) uint8; None where a start was given without one.
        proprio: joint readings (P,); None where the model uses none and none are known.
        hand: (3,) m, where it is known.
        env: the simulator, where there is one; it stands at the start if that was sampled.
        sampled: whether it was.
    """

    start: np.ndarray
    goal: np.ndarray | None
    proprio: np.ndarray | None
    hand: np.ndarray | None
    env: "envs.Environment | None"
    sampled: bool


def check_given(task: str, start: str | None, simulated: bool) -> None:
    """Raise `ForearmError` where frames can only be sampled, and cannot be."""
    if start is None and not simulated:
        raise ForearmError(
            f"task '{task}' has no simulator to sample frames from: give start= and goal=, or name the module "
            "that registers its environment, use=[MODULE]"
        )


def scene_of(
    of: OfCheckpoint,
    chosen: Mapping[str, Any] | Any,
    simulated: bool,
    seed: int,
    episode: int,
    for_arm: bool = False,
) -> Scene:
    """The frames that `start=` and `goal=` name, or those of an episode; raises `ForearmError` for wrong ones.

    `proprio=` are the joint readings at the start, for a model that no picture tells them of, or `for_arm`, whose way
    shall be written.
    """
    if of.of_sensors:
        return _sensor_scene(of, chosen, simulated, seed, episode)
    named = {key: chosen[key] for key in ("start", "goal") if chosen[key] is not None}
    given = "start" in named
    places = named.pop("goal") if isinstance(named.get("goal"), dict) else None
    if places is not None:
        check_places(places)
    # Read before the simulator is built: a wrong file is told at once.
    frames = {key: of.frame(by_camera(str(name), of.fit), key) for key, name in named.items()}
    env = _simulator(of) if simulated else None
    if named and env is not None:
        views = Views(env)
        for key, frame in frames.items():
            views.check(frame, f"{key}={named[key]}")
    if chosen["proprio"] is not None and not given:
        raise ForearmError("proprio= are the readings at start=: give start= and goal= too")
    hand = proprio = None
    if given and chosen["proprio"] is None and isinstance(env, envs.ArmEnv):
        from forearm.agent.hand_localization import find_hand, readings_at_rest

        hand = find_hand(env, frames["start"])
        proprio = readings_at_rest(env, hand)
    elif given:
        proprio = _readings(chosen, of, simulated, for_arm)
    else:
        assert env is not None
        observation, info = env.reset(seed=evaluation_reset_seed(seed, episode))
        frames = {"goal": info["goal"]} | frames | {"start": observation["pixels"]}
        proprio, hand = observation["proprio"], env.positions()["ee_position"]
    if places is not None:
        frames["goal"] = of.goal_frame(places) if given or env is None else draw_goal(env, places)
    return Scene(frames["start"], frames.get("goal"), proprio, hand, env, not given)


def _sensor_scene(of: OfCheckpoint, chosen: Mapping[str, Any] | Any, simulated: bool, seed: int, episode: int) -> Scene:
    """Readings now and those that are wanted, in the place of frames; raises `ForearmError` for wrong ones."""
    now, goal = chosen["proprio"], chosen["goal"]
    if chosen["start"] is not None or (now is None) != (goal is None) or (now is None and not simulated):
        raise ForearmError(
            "this model sees sensors and no pictures: give readings now, proprio=[...], and those wanted by name, "
            f"'goal={{{of.document['sensors']['names'][0]}: 1.0}}'" + (", or neither" if simulated else "")
        )
    if now is not None:
        return Scene(of.frame(now, "proprio"), of.frame(goal, "goal"), None, None, None, False)
    env = _simulator(of)
    observation, info = env.reset(seed=evaluation_reset_seed(seed, episode))
    start, wanted = of.frame(observation["proprio"], "proprio"), of.frame(info["goal"], "goal")
    return Scene(start, wanted, None, None, env, True)


def _readings(chosen: Mapping[str, Any] | Any, of: OfCheckpoint, simulated: bool, for_arm: bool) -> np.ndarray | None:
    """The joint readings that a model wants beside a picture; raises `ForearmError` where they are missing or wrong."""
    absolute = of.model.absolute
    wanted = of.model.config.proprio_dim if absolute is None else absolute.readings
    given = chosen["proprio"]
    if given is None and not wanted:
        return None
    if given is None:
        reason = "also reads the arm's joints" if absolute is None else "plans joint positions from the present ones"
        raise ForearmError(
            f"start={chosen['start']}: this checkpoint {reason}, which a picture does not tell: give "
            f"proprio=[...], {wanted} numbers" + (", or leave out start= and goal=" if simulated else "")
        )
    numbers = given if isinstance(given, list) else [given]
    right = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
    fits = len(numbers) == wanted or (for_arm and not wanted)
    if not right or not fits or not np.isfinite(np.asarray(numbers, np.float64)).all():
        raise ForearmError(
            f"proprio={written(given)}: this checkpoint reads no joints, leave it out"
            if not wanted
            else f"proprio={written(given)}: expected {wanted} numbers, the arm's joint readings at the start"
        )
    return np.asarray(numbers, np.float64)


def path_in_pixels(scene: Scene, actions: np.ndarray) -> np.ndarray:
    """(H + 1, 2) where commands send the hand; (0, 2) for an arm whose commands say too little of that."""
    if scene.hand is None or not isinstance(scene.env, envs.ArmEnv):
        return np.zeros((0, 2))
    from forearm.agent.hand_localization import commanded_path

    return scene.env.project(commanded_path(scene.env.task, scene.hand, actions))


def _simulator(of: OfCheckpoint) -> "envs.Environment":
    """The task's simulator, which takes commands as its checkpoint knows them; raises `ForearmError` otherwise."""
    envs.working_backend()  # before a benchmark's packages look for one themselves, and complain of what they find
    env = environment(of.task["name"], of.task["camera"], of.task["resolution"])
    of.check_commands(env)
    return env
