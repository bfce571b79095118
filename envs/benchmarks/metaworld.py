"""Meta-World v3 (Yu et al. 2019; McLean et al. 2025, arXiv 2505.11289): a Sawyer and fifty tasks.

Physics, actions, starts, success and scripted policies are the benchmark's; episodes are drawn like its random tasks.
The goal image shows where the benchmark's scripted policy ends from the same start; the goal marker is never drawn.
With `protocol=jepa-wms` it shows where that policy is after 100 steps, as in arXiv 2512.24497.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import metaworld
import metaworld.policies
import mujoco
import numpy as np

from forearm.envs.benchmarks.shown_goal import shown_goal
from forearm.envs.contract import Array, Policy
from forearm.envs.mujoco_env import MujocoEnvironment

# Its scripted policies warn on every other step that their own actions will be clipped.
warnings.filterwarnings("ignore", r"Constant\(s\) may be too high", UserWarning)

# Their values are classes with constructors of their own, which the benchmark's types do not say.
ENVIRONMENTS: Any = metaworld.ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
POLICIES: Any = metaworld.policies.ENV_POLICY_MAP
ACTIONS = ("dx", "dy", "dz", "gripper")
STATES = (
    *(f"joint{i}_rad" for i in range(1, 8)),
    *("x_m", "y_m", "z_m", "gripper_open", "vx_m_s", "vy_m_s", "vz_m_s"),
)
VIEWS = {name: name for name in ("corner4", "corner2", "corner3", "corner", "topview")}
"""The first is the default: `corner2` moved closer, which is what makes a puck more than one pixel at 64."""
UPSIDE_DOWN = ("corner", "corner2", "corner3", "corner4")
HOLD = 40
"""Control steps for which the scripted policy goes on after success, so that the goal image shows a settled scene."""
REACH = ("reach-v3", "reach-wall-v3")
MOVABLE = (*REACH, "push-v3", "push-back-v3", "push-wall-v3", "pick-place-v3", "pick-place-wall-v3")
"""Tasks whose target is a free place for hand or object; elsewhere it belongs to a door, a drawer, a hole."""
WORKSPACE = np.array([[-0.3, 0.45, 0.06], [0.3, 0.92, 0.35]])
"""(2, 3) box in m in which explorers of the reach tasks aim."""
MODEL_FIELDS = ("body_pos", "body_quat", "site_pos")
"""Fields of the model that a reset writes: doors and walls are fixed bodies in another place each time."""
NOT_STATE = ("curr_path_length", "width", "height", "max_path_length", "num_resets", "_np_random_seed")


class MetaWorld(MujocoEnvironment):
    """One of Meta-World's fifty tasks.

    Action (4,): displacement of the commanded hand position (1 cm a step at 1), grip effort. 80 control steps a second.

    Args:
        name: such as `reach-v3`, without the benchmark's prefix.
        camera: `corner4`, or another of the benchmark's; those that stand on their head are turned.
        resolution: side of the frames in pixels.
    """

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        self.task = name
        self.inner: Any = ENVIRONMENTS[f"{name}-goal-observable"](seed=0)
        inner = self.inner
        inner._freeze_rand_vec, inner.seeded_rand_vec = False, True
        super().__init__(
            f"metaworld/{name}",
            inner.model,
            inner.data,
            camera=camera,
            resolution=resolution,
            views=VIEWS,
            flipped=UPSIDE_DOWN,
            actions=ACTIONS,
            states=STATES,
            control_period=float(inner.dt),
            max_episode_steps=int(inner.max_path_length),
            description=f"Meta-World's {name}: bring about what the goal image shows.",
            markers=False,
            fixed_assets=True,
        )
        # The length of an episode is counted here; the benchmark's own counter refuses to go on.
        inner.max_path_length = 2**62
        self._success, self._distance = False, 0.0
        self._hand = self.model.body("hand").id
        inner.reset()
        inner.step(np.zeros(4, np.float32))
        kept = vars(inner).items()
        self._numbers = tuple(sorted(key for key, value in kept if _is_number(key, value) and not self._is_live(value)))
        self._pristine = self.snapshot()

    # -- episodes -----------------------------------------------------------------------------------------------

    def begin(self, options: Mapping[str, Any]) -> Array | None:
        """One of the benchmark's random starts; its scripted policy shows how it ends."""
        return shown_goal(self, self._draw, options, self.max_episode_steps, HOLD)

    def _draw(self) -> None:
        # A reset of the benchmark keeps some of what was before; episodes must not depend on the last one.
        self.restore(self._pristine)
        self.inner.seed(int(self.np_random.integers(2**31)))
        self.inner.reset()
        # A reset moves doors and windows last, and looks before MuJoCo has worked out where their handles are.
        mujoco.mj_forward(self.model, self.data)
        self.inner._last_stable_obs = self._observation()
        self._judge()

    def actuate(self, action: Array) -> None:
        """The benchmark's own step."""
        self._note(self.inner.step(action.astype(np.float32))[-1])

    def _judge(self) -> None:
        """The benchmark's verdict on the present state, as if nothing had been commanded."""
        self._note(self.inner.evaluate_state(self._observation(), np.zeros(4, np.float32))[1])

    def _note(self, info: Mapping[str, Any]) -> None:
        self._success, self._distance = bool(info["success"]), float(np.mean(info["obj_to_target"]))

    def _is_live(self, value: Any) -> bool:
        """Whether a number that the benchmark keeps is a window on MuJoCo's data, which change under it: no memory."""
        data = self.data
        fields = (data.qpos, data.xpos, data.xquat, data.site_xpos, data.geom_xpos)
        return isinstance(value, np.ndarray) and any(np.may_share_memory(value, field) for field in fields)

    def _observation(self) -> Array:
        """The benchmark's own observation, without being remembered as the last one."""
        before = self.inner._prev_obs
        observation = self.inner._get_obs()
        self.inner._prev_obs = before
        return np.asarray(observation, np.float64)

    # -- goals --------------------------------------------------------------------------------------------------

    def achieved(self) -> Array:
        """(6,) where the hand and the first object are, in m."""
        return np.concatenate([self.inner.tcp_center, self.inner._get_pos_objects()[:3]])

    def aim(self, goal: Array) -> None:
        """Move the benchmark's target where `goal` says, if the task lets it be moved; otherwise it stays."""
        if self.task in MOVABLE:
            place = goal[:3] if self.task in REACH else goal[3:]
            self.inner._target_pos = place.copy()
            self.model.site("goal").pos = place
        self._judge()

    def success(self) -> bool:
        """What the benchmark said after the last step."""
        return self._success

    def distance(self) -> float:
        """The benchmark's own distance to the target: in m, in a few tasks rad."""
        return self._distance

    def cost(self) -> float:
        """The distance; where an object must move, plus a tenth of the hand's distance to it."""
        return self._distance if self.task in REACH else super().cost()

    # -- what is known ------------------------------------------------------------------------------------------

    def proprio(self) -> Array:
        """Joints (rad), hand (m), gripper (0 closed, 1 open), hand velocity (m/s)."""
        velocity = np.empty(6)
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_BODY, self._hand, velocity, 0)
        opening = [float(self._observation()[3])]
        return np.concatenate([self.data.qpos[:7], self.inner.tcp_center, opening, velocity[3:]])

    def positions(self) -> dict[str, Array]:
        """Hand and first object."""
        hand, thing = np.split(self.achieved(), 2)
        return {"ee_position": hand, "object_position": thing}

    def memory(self) -> Array:
        """Every number that the benchmark's object holds, the places that it wrote into the model, its verdict."""
        held = vars(self.inner)
        numbers = [np.ravel(held[key]).astype(np.float64) for key in self._numbers]
        fields = [getattr(self.model, field).ravel() for field in MODEL_FIELDS]
        return np.concatenate([*numbers, *fields, [self._success, self._distance]])

    def recall(self, memory: Array) -> None:
        """Take back what `memory` gave."""
        held, at = vars(self.inner), 0
        for key in self._numbers:
            like = held[key]
            values = memory[at : at + np.size(like)]
            at += np.size(like)
            held[key] = values.reshape(like.shape).astype(like.dtype) if np.ndim(like) else type(like)(values[0])
        for field in MODEL_FIELDS:
            view = getattr(self.model, field)
            view[...] = memory[at : at + view.size].reshape(view.shape)
            at += view.size
        self._success, self._distance = bool(memory[at]), float(memory[at + 1])

    # -- policies -----------------------------------------------------------------------------------------------

    def expert(self, rng: np.random.Generator) -> Policy:
        """The benchmark's scripted policy."""
        return _Scripted(self, None)

    def skill(self, rng: np.random.Generator) -> Policy:
        """The scripted policy; half of the time towards a target of its own, where the task has a free one."""
        if self.task not in MOVABLE or rng.random() < 0.5:
            return _Scripted(self, None)
        if self.task in REACH:
            return _Scripted(self, rng.uniform(*WORKSPACE))
        space, wider = self.inner.goal_space, np.array([0.08, 0.08, 0.0])  # m around the benchmark's own targets
        return _Scripted(self, rng.uniform(space.low - wider, space.high + wider))


class _Scripted:
    """Meta-World's scripted policy for a task, on the benchmark's own observation, the target replaced if asked."""

    def __init__(self, env: MetaWorld, target: Array | None) -> None:
        self._env, self._target = env, target
        self._policy = POLICIES[env.task]()

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        observation = np.array(self._env.inner._last_stable_obs, np.float64)
        observation[-3:] = self._env.inner._get_pos_goal() if self._target is None else self._target
        return np.clip(np.asarray(self._policy.get_action(observation), np.float64), -1.0, 1.0)


def _is_number(key: str, value: Any) -> bool:
    return key not in NOT_STATE and isinstance(value, (bool, int, float, np.number, np.ndarray))
