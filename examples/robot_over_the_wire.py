"""A robot that plans over the wire: pushes a puck to where an image shows it, and films itself.

Two processes. One is `forearm serve`, with the world model. The other, this one, is the robot: a simulated arm that
keeps its own time (another zero, and 300 ppm fast), takes joint positions a hundred times a second, and sees through a
noisy camera whose frames come late and sometimes not at all. It asks the server with openpi's stock client, or with
`--client forearm`, and moves by a `forearm.control.Controller`, which keeps it on time and within its limits.

    python examples/robot_over_the_wire.py --episodes 3 --out outputs/wire
"""

import argparse
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from forearm import envs
from forearm.common.seeds import evaluation_reset_seed
from forearm.control import Command, Controller, Timing, load_robot
from forearm.control.action_adapter import ToolActionAdapter
from forearm.evaluation.film import enlarged, write_video
from forearm.serve import RemotePlanSource

BEAT = 0.01
FRAME_EVERY = 10  # beats
LATE = (0.02, 0.06)  # s from the moment a frame is taken to its arrival
LOST = 0.05  # share of frames that never arrive
PIXEL_NOISE, JOINT_NOISE = 4.0, 1e-3  # levels of 255, rad
LONGEST = 12.0  # s of an episode


class OwnClock:
    """The robot's time: it has another zero than the server's, and is a little fast."""

    def __call__(self) -> float:
        """Now, s."""
        return 1000.0 + 1.0003 * time.monotonic()


class SimulatedRobot:
    """An arm on a table that moves whether or not anybody is ready, and a camera that is no better than most."""

    def __init__(self, seed: int) -> None:
        self.env = envs.make("push")
        self.rng = np.random.default_rng(seed)
        self.clock = OwnClock()
        _, info = self.env.reset(seed=evaluation_reset_seed(seed, 0))
        self.goal = info["goal"]
        self.on_the_way: deque[tuple[float, dict]] = deque()
        self.seen = self.goal * 0
        self.steps = round(BEAT / self.env.model.opt.timestep)

    def expose(self) -> None:
        """Take a frame; it arrives later, if at all."""
        now = self.clock()
        noise = self.rng.normal(0, PIXEL_NOISE, self.goal.shape)
        observation = self.env.observe()
        pixels = np.clip(observation["pixels"] + noise, 0, 255).astype(np.uint8)
        proprio = observation["proprio"] + self.rng.normal(0, JOINT_NOISE, 15)
        if self.rng.random() > LOST:
            arrival = now + self.rng.uniform(*LATE)
            self.on_the_way.append((arrival, {"pixels": pixels, "proprio": proprio, "time": now}))

    def newest(self) -> dict | None:
        """What has arrived since the last call."""
        found = None
        while self.on_the_way and self.on_the_way[0][0] <= self.clock():
            found = self.on_the_way.popleft()[1]
            self.seen = found["pixels"]
        return found

    def move(self, command: Command) -> None:
        """One beat of physics; without a command the servos hold."""
        if command.positions is not None:
            self.env.data.ctrl[:7] = command.positions
            self.env.data.ctrl[7:] = command.gripper
        for _ in range(self.steps):
            mujoco.mj_step(self.env.model, self.env.data)
        mujoco.mj_kinematics(self.env.model, self.env.data)
        mujoco.mj_camlight(self.env.model, self.env.data)


def drive(robot: SimulatedRobot, controller: Controller) -> tuple[bool, list, float]:
    """One episode in real time: whether it succeeded, its film's frames, and how late the latest beat was (s)."""
    controller.reset(robot.goal)
    begun, film, latest = time.monotonic(), [], 0.0
    arrived, command = 0, controller.act(None, robot.clock())
    for beat in range(round(LONGEST / BEAT)):
        due = begun + beat * BEAT
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        latest = max(latest, time.monotonic() - due)
        if beat % FRAME_EVERY == 0:
            robot.expose()
            film.append((robot.env.data.qpos.copy(), robot.seen, command))
        command = controller.act(robot.newest(), robot.clock())
        robot.move(command)
        arrived = arrived + 1 if robot.env.success() else 0
        if arrived * BEAT >= 0.5:  # it stays there
            break
    return arrived > 0, film, latest


def film_pages(robot: SimulatedRobot, film: list, title: str) -> Iterator[np.ndarray]:
    """Side view, what the camera saw, and the goal, at the speed at which it happened."""
    goal = enlarged(robot.goal)
    for number, (qpos, seen, command) in enumerate(film):
        robot.env.data.qpos[:] = qpos
        mujoco.mj_forward(robot.env.model, robot.env.data)
        page = Image.new("RGB", (768, 288), (18, 20, 26))
        page.paste(Image.fromarray(robot.env.render("side", 256)), (0, 32))
        page.paste(enlarged(seen), (256, 32))
        page.paste(goal, (512, 32))
        draw = ImageDraw.Draw(page)
        status = f"{command.status.value}  plan {command.plan_id or '-'}"
        draw.text((8, 9), f"{title}  {number / 10:.1f} s  {status}", fill=(225, 228, 235))
        draw.text((264, 9), "what the robot sees", fill=(225, 228, 235))
        draw.text((520, 9), "goal", fill=(225, 228, 235))
        yield np.asarray(page)


def connection(kind: str, url: str) -> RemotePlanSource:
    """Plans from the server, asked by openpi's stock client or by ours."""
    if kind == "forearm":
        from forearm.serve import Client

        return RemotePlanSource(lambda: Client(url))
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    return RemotePlanSource(lambda: WebsocketClientPolicy(url))


def main() -> int:
    """Start the server, drive the robot, write films, end the server."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("outputs/wire"))
    parser.add_argument("--client", choices=("openpi", "forearm"), default="openpi")
    parser.add_argument("--films", type=int, default=1, help="first episodes to film")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    words = ["-c", "import sys; from forearm.cli.main import main; sys.exit(main())", "serve", "task=push", "port=0"]
    with subprocess.Popen([sys.executable, "-u", *words], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            url = next((word for word in line.split() if word.startswith("ws://")), None)
            if url is None:
                print("the server did not start")
                return 1
            solved = 0
            for episode in range(options.episodes):
                robot = SimulatedRobot(episode)
                source = connection(options.client, url)
                timing = Timing(deadline_ms=100.0)
                with Controller(
                    source, load_robot("panda"), ToolActionAdapter("push"), timing=timing, clock=robot.clock
                ) as control:
                    success, film, latest = drive(robot, control)
                    counts = control.counts
                source.close()
                solved += success
                verdict = f"{'reached' if success else 'not reached'}, {robot.env.distance() * 1000:.0f} mm"
                pace = f"{len(film) / 10:.1f} s, latest beat {1e3 * latest:.1f} ms late"
                print(f"episode {episode}: {verdict}, {pace}, {counts}", flush=True)
                if episode < options.films:
                    pages = film_pages(robot, film, f"push over {url.partition(':')[0]}")
                    write_video(options.out / f"episode{episode}.mp4", pages)
                robot.env.close()
            print(f"{solved} of {options.episodes} reached; films in {options.out}")
            return 0
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
