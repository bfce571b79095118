"""Settings of the commands that answer others: clients, agents, ROS 2."""

from dataclasses import dataclass, field
from typing import Any

from forearm.common import checks, durations

_PORT = checks.worded(checks.integer, "{name} must lie between {least} and {most}, not {value}")
_REPLICAS = checks.worded(checks.integer, "{name} must be a whole number from {least} to {most}, not {value}")


@dataclass
class ServeCommand:
    """Plans over a websocket, for forearm's client or openpi's. Nothing moves here.

    Attributes:
        host: address to listen on; any but loopback needs a token.
        port: to listen on; 0: any free one.
        token_file: file with the token that clients must show; null: the variable FOREARM_TOKEN, if it is set.
        tls_cert: PEM file of a certificate; null: no TLS.
        tls_key: PEM file of its key.
        goals: folder of pictures (png, jpg, webp, bmp) that clients may name as goals.
        check_goals: refuse goals of another of the task's cameras, or upside down, where its simulator is here.
        execute: commands of a plan, or seconds, that a client carries out before it asks again, unless it says.
        deadline_ms: for requests that name none, in ms; null: that of the planner.
        replicas: processes that plan behind the one port, each for its share of the connections.
        max_clients: connections at a time, of each replica.
        workers: threads that plan, of each replica.
        threads: of torch, for each of the workers; null: 1, or with several replicas their share of the cores.
        max_message_kib: largest request in KiB.
        idle_timeout: s without a request, after which a client is cut off.
        receive_timeout: s for the rest of a message that has begun.
        send_timeout: s for a reply to be taken.
        seed: of the searches.
        surprise_rate: watch for surprise, with so many false alarms an hour at most; null: nobody watches.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    host: str = "127.0.0.1"
    port: int = checks.setting(8000, _PORT, least=0, most=65535)
    token_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    goals: str | None = None
    check_goals: bool = True
    execute: int | str = checks.setting(4, durations.steps, least=1)
    deadline_ms: float | None = checks.setting(None, checks.real, least=1.0)
    replicas: int = checks.setting(1, _REPLICAS, least=1, most=256)
    max_clients: int = checks.setting(16, checks.whole, least=1)
    workers: int = checks.setting(1, checks.whole, least=1)
    threads: int | None = checks.setting(None, checks.whole, least=1)
    max_message_kib: int = checks.setting(4096, checks.whole, least=1)
    idle_timeout: float = checks.setting(300.0, checks.real, above=0.0)
    receive_timeout: float = checks.setting(10.0, checks.real, above=0.0)
    send_timeout: float = checks.setting(10.0, checks.real, above=0.0)
    seed: int = checks.setting(0, checks.whole, least=0)
    surprise_rate: float | None = checks.setting(None, checks.real, above=0.0)
    model: str | None = None
    device: str | None = "cpu"


@dataclass
class McpCommand:
    """Tools for language models and other agents, over the Model Context Protocol, on a task's simulator.

    Attributes:
        transport: stdio: for the program that starts this one; http: streamable HTTP at host and port.
        host: address to listen on; any but loopback needs a token.
        port: to listen on; 0: any free one.
        token_file: file with the token that clients must show; null: the variable FOREARM_TOKEN, if it is set.
        tls_cert: PEM file of a certificate; null: no TLS.
        tls_key: PEM file of its key.
        goals: folder of pictures (png, jpg, webp, bmp) that clients may name as goals.
        check_goals: refuse goals of another of the task's cameras, or upside down.
        seed: of the scene that is begun with, and of the searches.
        episode: which of the seed's held-out episodes the scene is.
        allow_motion: let clients move the simulated arm, within the robot's limits.
        max_steps: commands in one call.
        max_plans: plans that one call may compare.
        max_waiting: calls that may wait for their turn; one is worked on at a time.
        calls_per_minute: from all clients together.
        max_clients: sessions at a time, over http.
        max_message_kib: largest request in KiB.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
    """

    transport: str = checks.setting("stdio", checks.choice, known=("stdio", "http"))
    host: str = "127.0.0.1"
    port: int = checks.setting(8001, _PORT, least=0, most=65535)
    token_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    goals: str | None = None
    check_goals: bool = True
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    allow_motion: bool = False
    max_steps: int = checks.setting(100, checks.whole, least=1)
    max_plans: int = checks.setting(16, checks.whole, least=2)
    max_waiting: int = checks.setting(4, checks.whole, least=1)
    calls_per_minute: int = checks.setting(120, checks.whole, least=1)
    max_clients: int = checks.setting(16, checks.whole, least=1)
    max_message_kib: int = checks.setting(1024, checks.whole, least=1)
    model: str | None = None


@dataclass
class Ros2Command:
    """A ROS 2 node that drives an arm to what a goal shows; needs no ROS.

    Attributes:
        goal: picture of the goal, of several cameras front:FILE,wrist:FILE, or places in m, {object: [0.5, 0.1]}.
        joint_states: topic of sensor_msgs/JointState.
        image: topic of sensor_msgs/Image, of any size; of several cameras front:TOPIC,wrist:TOPIC.
        command: topic of trajectory_msgs/JointTrajectory for the arm.
        gripper: the same for the gripper's first joint; empty: nothing is sent to it.
        joints: what messages call the robot's joints, in its order, and the gripper's first after them; []: as it does.
        rate: trajectories a second.
        domain: of ROS 2, as ROS_DOMAIN_ID.
        local: stay on this machine's loopback; false: go by CYCLONEDDS_URI, to the network.
        record: MCAP file of the run; null: none.
        seed: of the searches.
    """

    goal: Any = None
    joint_states: str = "/joint_states"
    image: str = "/camera/image_raw"
    command: str = "/arm_controller/joint_trajectory"
    gripper: str = ""
    joints: list[str] = field(default_factory=list)
    rate: float = 50.0
    domain: int = checks.setting(0, checks.whole, least=0)
    local: bool = True
    record: str | None = None
    seed: int = checks.setting(0, checks.whole, least=0)
