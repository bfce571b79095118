"""What the settings of `forearm serve` describe, and what it says while it serves."""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from forearm.cli.device import device_of
from forearm.cli.models import task_of
from forearm.common.files import place
from forearm.common.parallel import default_workers
from forearm.common.reading import here
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.agent.setup import PlanningSetup
    from forearm.serve.config import Replica, ServeConfig
    from forearm.serve.server import Server
    from forearm.surprise.monitor import Monitor


def log(who: str = "") -> None:
    """Tell on standard error what happens, and to `who`."""
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s {who}%(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)


def server_of(chosen: settings.Settings, config: "ServeConfig", replica: "Replica | None" = None) -> "Server":
    """What the settings describe; raises `ForearmError` for whatever does not fit, before anybody connects."""
    import torch

    from forearm.agent.camera_check import views_for
    from forearm.agent.setup import PlanningSetup
    from forearm.control.adapters.hold import hold_of
    from forearm.serve.goals import Goals
    from forearm.serve.server import Server

    task, robot = task_of(chosen), chosen.one("robot")
    setup = PlanningSetup.resolve(task, chosen.one("planner"), device=device_of(chosen))
    hold = hold_of(robot, task)
    if hold is not None:  # whatever does not fit is told before anybody connects
        assert setup.actions is not None
        hold(setup.actions, {})
    setup = replace(setup, hold=hold)
    views = views_for(setup) if chosen["check_goals"] and not setup.of_sensors else None
    goals = Goals(None if chosen["goals"] is None else here(chosen["goals"]), setup, views)
    torch.set_num_threads(_threads(chosen))
    return Server(setup, config, goals, views, _monitor(setup, chosen["surprise_rate"]), replica)


def _threads(chosen: settings.Settings) -> int:
    """Of torch, for each worker: several replicas share the cores, and do not fight for them."""
    replicas = chosen["replicas"]
    share = 1 if replicas == 1 else max(1, default_workers() // (replicas * chosen["workers"]))
    return int(chosen["threads"] or share)


def config_of(chosen: Any) -> "ServeConfig":
    """The part of the settings that says where and how to listen; raises `ForearmError`."""
    from forearm.serve.config import ServeConfig, read_token

    alike = {item.name: chosen[item.name] for item in fields(ServeConfig) if item.name in chosen.values}
    tls = {name: None if chosen[name] is None else place(chosen[name]) for name in ("tls_cert", "tls_key")}
    token, size = read_token(chosen["token_file"]), chosen["max_message_kib"] << 10
    return ServeConfig(**{**alike, **tls}, token=token, max_message_bytes=size)


def _monitor(setup: "PlanningSetup", rate: float | None) -> "Callable[[], Monitor] | None":
    """What makes a monitor for each client; raises `ForearmError` where there can be none."""
    if rate is None:
        return None
    from forearm.surprise.calibration import surprise_calibration_of
    from forearm.surprise.monitor import Monitor

    make = partial(Monitor, setup, surprise_calibration_of(setup.task, setup.document), rate)
    make()
    return make


def told_to_stop() -> asyncio.Event:
    """What SIGINT and SIGTERM set from now on."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def say_where(console: Console, task: str, url: str, more: str = "") -> None:
    """Where clients find what plans."""
    console.print(f"planning for {task} at {url} ({more}Ctrl-C ends it)", highlight=False)


def say_ending(console: Console) -> None:
    """That it was told to stop."""
    console.print("ending: clients are told, plans in hand are finished", highlight=False)
