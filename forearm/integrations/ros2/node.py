"""A ROS 2 node around a controller: joint states and camera images in, joint trajectories out.

Every trajectory leads on until the arm rests, within its limits. A node that falls silent leaves an arm at rest.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from forearm.control.command import MOVING, Command
from forearm.control.controller import Controller
from forearm.control.plan_source import fit_of
from forearm.control.trajectories.trajectory import Array, State
from forearm.errors import InputError
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.bus import Bus
from forearm.integrations.ros2.definitions import IMAGE, JOINT_STATE, JOINT_TRAJECTORY
from forearm.world_model.data.incoming import short

SPACING = 0.02
"""s from one point of a trajectory to the next, at most."""
READINGS = 200
"""Joint states that are kept, to find that of a picture's moment."""
APART = 0.1
"""s that the frames of several cameras may be apart to be seen as one."""
UNREAD = 0.2
"""s that a picture may be from the nearest joint state, and a message of one part of a robot from that of another."""
LONGEST_STOP = 5.0
"""s that an arm may take to come to rest when the node ends."""


class Watcher(Protocol):
    """What is told of all that goes in and out, such as a recording."""

    def note(
        self, observation: Mapping[str, Any] | None, command: Command, way: tuple[Array, State] | None = None
    ) -> None:
        """An observation as the controller got it, None where there was nothing new, its command, and the way on."""
        ...


@dataclass(frozen=True)
class Topics:
    """Names of topics, and what the robot's joints are called there.

    Attributes:
        joint_states: `sensor_msgs/JointState`, of all joints or more.
        image: `sensor_msgs/Image`, of any size; it is resized as in training. Of several cameras by name, as the model
            knows them: {"front": TOPIC, "wrist": TOPIC}.
        command: `trajectory_msgs/JointTrajectory` for the arm.
        gripper: the same for the gripper's first joint; empty: nothing is sent to it.
        joints: what messages call the robot's joints, in the order of its config, and the gripper's first joint after
            them where there is one; empty: what the config calls them.
    """

    joint_states: str = "/joint_states"
    image: str | Mapping[str, str] = "/camera/image_raw"
    command: str = "/arm_controller/joint_trajectory"
    gripper: str = ""
    joints: Sequence[str] = ()


class Node:
    """Feeds a controller from topics and sends what it says.

    Stamps of messages are of the controller's `clock`, beside which it has a steady one.
    A stamp of 0 means that nobody set it: the moment counts when the message was read. `counts` says by name what came
    and what was refused, `why` the reason of the last refusal since a picture could be used.

    Frames of several cameras are one where they are at most `APART` s apart; each is seen once. They count as taken
    when the oldest of them was. Several publishers may tell of parts of a robot, such as the arm and the gripper.

    Raises `InputError` for another number of joints than the robot has, or other cameras than the model's, and what
    `Bus` raises.
    """

    def __init__(
        self,
        controller: Controller,
        bus: Bus,
        topics: Topics,
        watcher: Watcher | None = None,
    ) -> None:
        robot = controller.robot
        self.controller, self.watcher = controller, watcher
        axes = [*robot.joints, *robot.fingers[:1]]
        self.names = list(topics.joints) or axes
        if len(self.names) != len(axes) or len(set(self.names)) < len(axes):
            raise InputError(
                f"joints names {', '.join(self.names)}: expected {len(axes)} different names, for {', '.join(axes)}"
            )
        self.arm = len(robot.joints)
        self.counts: Counter[str] = Counter()
        self.why = ""
        self._states = bus.subscription(topics.joint_states, JOINT_STATE)
        self._fit = fit_of(controller.source)
        named = cameras_by_name(topics.image, self._fit.cameras)
        self._images = {camera: bus.subscription(topic, IMAGE) for camera, topic in named.items()}
        self._frames: dict[str, tuple[float, np.ndarray]] = {}  # newest of each camera that was not seen yet
        self._command = bus.publisher(topics.command, JOINT_TRAJECTORY)
        self._gripper = bus.publisher(topics.gripper, JOINT_TRAJECTORY) if topics.gripper and robot.fingers else None
        self._parts = np.full((3, len(axes)), np.nan)  # of each joint: when it was read, its position and velocity
        self._read: deque[tuple[float, np.ndarray]] = deque(maxlen=READINGS)

    def beat(self) -> Command:
        """Take what has come, let the controller act on it, and send what it says."""
        observation = self.observation(self.controller.clock())
        command = self.controller.act(observation)  # which reads its two clocks side by side
        way = None if command.positions is None else self.controller.way_to_rest(SPACING)
        if self.watcher is not None:
            self.watcher.note(observation, command, way)
        if way is not None:
            moments, states = way
            self._command.send(messages.trajectory(self.names[: self.arm], moments, states))
            if self._gripper is not None:
                self._gripper.send(messages.trajectory(self.names[self.arm :], moments, _last(states)))
        return command

    def observation(self, now: float) -> dict[str, Any] | None:
        """What has come since the last call, for the controller; None if nothing has."""
        fresh = False
        for message in self._states.taken():
            found = self._understood("joint_states", messages.readings, message, self.names)
            if found is not None and (moment := self._whole(self._moment(message, now), *found)) is not None:
                self._read.append((moment, self._proprio(*self._parts[1:].copy())))
                fresh = True
        for camera, images in self._images.items():
            for message in images.taken()[-1:]:
                if (frame := self._understood("images", messages.pixels, message)) is not None:
                    self._frames[camera] = self._moment(message, now), frame
        if not self._read:
            return None
        if (seen := self._together()) is not None:
            taken, frames = seen
            read, proprio = min(self._read, key=lambda reading: abs(reading[0] - taken))
            if abs(read - taken) <= UNREAD:
                self.why = ""
                return {"pixels": self._fit(frames, "the picture of"), "proprio": proprio, "time": taken}
            self.counts["images_without_joints"] += 1
            self.why = f"no joint state is within {UNREAD:g} s of the picture"
        if not fresh:
            return None
        moment, proprio = self._read[-1]
        return {"proprio": proprio, "time": moment}

    def run(self, rate: float, ended: Callable[[], bool], told: Callable[[Command], None] = lambda _: None) -> None:
        """Beat `rate` times a second until `ended`, then lead the arm to rest. `told` gets every command."""
        period, due = 1.0 / rate, time.monotonic()
        stopping: float | None = None
        while True:
            if stopping is None and ended():
                self.controller.stop("the node ends")
                stopping = time.monotonic()
            command = self.beat()
            told(command)
            if stopping is not None and (command.status not in MOVING or time.monotonic() - stopping > LONGEST_STOP):
                return
            due = max(due + period, time.monotonic() - period)
            time.sleep(max(0.0, due - time.monotonic()))

    def _whole(self, moment: float, position: np.ndarray, velocity: np.ndarray) -> float | None:
        """Put a message's joints beside those of others; when the arm's were read, None until all are known."""
        told = np.isfinite(position)
        self._parts[:, told] = np.stack([np.full(len(told), moment), position, velocity])[:, told]
        late = ~(moment - self._parts[0] <= UNREAD)  # NaN is late
        if not late.any():
            return float(self._parts[0, : self.arm].min())
        self.counts["joint_states_apart"] += 1
        lacking = ", ".join(name for name, of in zip(self.names, late, strict=True) if of)
        self.why = f"no joint state within {UNREAD:g} s tells of {lacking}"
        return None

    def _together(self) -> tuple[float, Any] | None:
        """When a frame of each camera was taken, none of which was seen before, and they; None until there are."""
        if len(self._frames) < len(self._images):
            return None
        moments = {camera: moment for camera, (moment, _) in self._frames.items()}
        first, last = min(moments.values()), max(moments.values())
        if last - first > APART:
            self.counts["images_apart"] += 1
            self.why = f"frames of {' and '.join(moments)} are {last - first:.2f} s apart"
            self._frames = {camera: seen for camera, seen in self._frames.items() if last - seen[0] <= APART}
            return None
        frames = {camera: frame for camera, (_, frame) in self._frames.items()}
        self._frames = {}
        return first, frames if len(frames) > 1 else next(iter(frames.values()))

    def _understood(self, kind: str, read: Callable[..., Any], *given: Any) -> Any:
        try:
            found = read(*given)
        except InputError as error:
            self.counts[f"{kind}_refused"] += 1
            self.why = str(error)
            return None
        self.counts[kind] += 1
        return found

    @staticmethod
    def _moment(message: Any, now: float) -> float:
        return messages.seconds(message.header.stamp) or now

    def _proprio(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Readings as the adapter wants them, or else positions and velocities of the joints, and the opening of the
        fingers where there are any.
        """
        arm, wanted = self.arm, getattr(self.controller.adapter, "proprio", None)
        if wanted is not None:
            return np.asarray(wanted(position))
        return np.concatenate([position[:arm], np.nan_to_num(velocity[:arm]), position[arm:]])


def cameras_by_name(image: str | Mapping[str, str], cameras: Sequence[str]) -> dict[str, str]:
    """The topic of each camera that a model sees, under the last part of its name, in the model's order.

    Raises `InputError` for other cameras, and for one topic of two.
    """
    names = [short(camera) for camera in cameras]
    if isinstance(image, str) and len(names) <= 1:
        return {"": image}
    wanted = ",".join(f"{name}:TOPIC" for name in names) or "TOPIC"
    given = dict(image) if isinstance(image, Mapping) else {}
    if (
        not given
        or set(given) != set(names or list(given)[:1])
        or not all(isinstance(topic, str) for topic in given.values())
    ):
        known = ", ".join(names) or "one camera"
        said = ", ".join(map(str, given)) or f"one topic, {image}"
        raise InputError(f"the model sees {known}, but image is of {said}: give image={wanted}")
    if len(set(given.values())) < len(given):
        raise InputError(f"image has one topic for two cameras: {', '.join(given.values())}")
    return {name: given[name] for name in names or given}


def _last(states: State) -> State:
    """Of states, those of the last axis alone."""
    return State(states.position[:, -1:], states.velocity[:, -1:], states.acceleration[:, -1:])
