"""What an episode has shown so far, as the state that the predictor starts from."""

from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError
from forearm.world_model.absolute import Floats
from forearm.world_model.data.moments import SensorHold
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.latent_dynamics import LatentState


class LatentTracker:
    """Encodes each frame of one episode once, and keeps as many as the model's history needs.

    Frames come one a command (`begin`, `advance`), or at any rate with their times (`see`); the state is asked for
    accordingly, by `state` or by `state_at`. Before the first frame the arm is taken to have been at rest there: the
    first frame repeated, with the model's `action_rest`, mostly zero, which is also how training windows begin.

    A model of sensors has no frames, None: its readings are enough, NaN where one was not measured.

    Commands that are absolute joint positions come and go as such; the state holds their differences, and where a plan
    begins. They want joint readings, whether or not the model itself looks at them.

    Args:
        model: the world model.
        period: s from one command to the next, for frames with times.
        memory: latent steps for which frames are kept beyond those of the history, for `foretold`.
    """

    def __init__(self, model: JEPA, period: float = 1.0, memory: int = 0) -> None:
        self._model, self._period, self._memory = model, period, memory
        self._span = (model.config.history - 1) * model.config.frameskip
        self._seen: deque[tuple[float, Tensor]] = deque()
        self._actions: deque[Tensor] = deque(maxlen=max(self._span, 1))
        self._absolute = model.absolute
        # Names make its errors, which nobody sees here: readings were checked before.
        sensors = [str(number) for number in range(model.config.proprio_dim)]
        self._hold = SensorHold(sensors) if model.config.encoder == "sensors" else None
        self._reading: Floats | None = None  # of the newest frame, where commands are positions
        self._sent: Floats | None = None  # the last command, where they are

    @property
    def newest(self) -> Tensor | None:
        """The state (S,) of the newest frame, its latent first; None before there is one."""
        return self._seen[-1][1] if self._seen else None

    @property
    def taken(self) -> NDArray[np.float64]:
        """The last command (A,) as the model takes it, after frames that came one a command."""
        return np.asarray(self._actions[-1].double().cpu().numpy())

    def forget(self) -> None:
        """Nothing was seen."""
        self._seen.clear()
        self._actions.clear()
        if self._hold is not None:
            self._hold.begin()
        self._reading = self._sent = None

    def begin(
        self,
        pixels: NDArray[Any] | None,
        proprio: NDArray[np.floating] | None = None,
        rest: NDArray[np.floating] | None = None,
    ) -> None:
        """Starts an episode with its first frame (R, R, 3) uint8 and joint readings (P,), if the model uses them.

        `rest` (A,): the command that held the arm there until then; None: the model's `action_rest`.
        """
        self.forget()
        self.see(0.0, pixels, proprio)
        known = self._model.action_rest if rest is None else torch.as_tensor(rest, dtype=torch.float32)
        self._actions.extend([known.to(self._seen[0][1].device)] * max(self._span, 1))

    def advance(
        self,
        action: NDArray[np.floating],
        pixels: NDArray[Any] | None,
        proprio: NDArray[np.floating] | None = None,
    ) -> None:
        """Takes in the command (A,) that was carried out and what was seen after it.

        Raises:
            RuntimeError: no episode was begun.
        """
        self._check_begun()
        taken = np.asarray(action)
        if self._absolute is not None:
            sent = np.asarray(action, np.float64)
            taken = sent - self._absolute.before(self._sent, self._reading)
            self._sent = sent
        self.see(self._seen[-1][0] + self._period, pixels, proprio)
        state = self._seen[-1][1]
        self._actions.append(torch.as_tensor(taken, dtype=torch.float32).to(state.device))

    @torch.inference_mode()
    def see(self, time: float, pixels: NDArray[Any] | None, proprio: NDArray[np.floating] | None = None) -> None:
        """Takes in a frame of `time` s, as `begin` does; one that is not newer than the last is ignored."""
        if self._seen and time <= self._seen[-1][0]:
            return
        if self._absolute is not None:
            self._reading = None if proprio is None else self._absolute.reading(proprio)
        if self._hold is not None:
            steps = (time - self._seen[-1][0]) / self._period if self._seen else 1.0
            pixels = self._hold.see(np.full(len(self._hold.names), np.nan) if proprio is None else proprio, steps)
            proprio = pixels[:, 0]
        assert pixels is not None
        self._seen.append((time, self._encode(pixels, proprio)))
        oldest = time - (self._span + 1 + self._memory * self._model.config.frameskip) * self._period
        while len(self._seen) > 1 and self._seen[1][0] <= oldest:
            self._seen.popleft()

    def state(self) -> LatentState:
        """The present state, after frames that came one a command: B = 1.

        Raises:
            RuntimeError: no episode was begun.
        """
        self._check_begun()
        newest, skip = len(self._seen) - 1, self._model.config.frameskip
        ago = range(self._span, -1, -skip)
        states = torch.stack([self._seen[max(newest - steps, 0)][1] for steps in ago])
        actions = torch.stack(list(self._actions))[: self._span]
        begin = None if self._absolute is None else self._absolute.handover(self._sent, self._reading)
        return LatentState(states[None], actions[None], begin)

    @torch.inference_mode()
    def state_at(
        self,
        time: float,
        past: NDArray[np.floating],
        committed: NDArray[np.floating],
        rest: NDArray[np.floating] | None = None,
    ) -> LatentState:
        """The state once `committed` commands (n, A) have been carried out from `time` s on: B = 1.

        Between two frames a latent lies on the line between theirs.

        Args:
            time: s.
            past: (m, A), the commands of the m periods before `time`, oldest first; before them the arm was at rest.
            committed: moves the state on by the model's own prediction.
            rest: (A,) the command that held the arm before them; None: the model's `action_rest`.

        Raises:
            RuntimeError: nothing was seen.
            InputError: `committed` is no whole number of the model's steps.
        """
        self._check_begun()
        history, skip = self._model.config.history, self._model.config.frameskip
        if len(committed) % skip:
            raise InputError(f"{len(committed)} committed commands: this model wants a multiple of {skip}")
        begin = None
        if self._absolute is not None:
            sent = [*past, *committed]
            last = None if not sent else np.asarray(sent[-1], np.float64)
            begin = self._absolute.handover(last, None if len(committed) else self._reading)
            past, committed = self._moved(past, committed)
        states = self._history(time)[None]
        actions = torch.as_tensor(self._before(past, rest), dtype=torch.float32)[None].to(states.device)
        if len(committed):
            coming = torch.as_tensor(np.asarray(committed), dtype=torch.float32)[None].to(states.device)
            predicted = self._model.rollout(states, self._model.blocks(actions), self._model.blocks(coming))
            states = torch.cat([states, predicted], dim=1)[:, -history:]
            actions = torch.cat([actions, coming], dim=1)[:, len(committed) :]
        return LatentState(states, actions, begin)

    @torch.inference_mode()
    def foretold(
        self, time: float, past: NDArray[np.floating], rest: NDArray[np.floating] | None = None
    ) -> Tensor | None:
        """What the model says of the state at `time`, from those of 1, 2, ... latent steps before and what was done
        since: (K, S), K as far as `memory`, frames and `past` reach; None where they reach no step.

        Arguments are those of `state_at`.
        """
        self._check_begun()
        skip = self._model.config.frameskip
        if self._absolute is not None:
            past, _ = self._moved(past, past[:0])
        seen = int((time - self._seen[0][0]) / (self._period * skip) + 1e-6)
        leads = min(self._memory, seen, len(past) // skip)
        if leads < 1:
            return None
        begins = range(skip, leads * skip + 1, skip)  # control steps before `time`
        states = torch.stack([self._history(time - self._period * steps) for steps in begins])
        before = np.stack([self._before(past[:-steps], rest) for steps in begins])
        since = np.zeros((leads, leads * skip, past.shape[1]))
        for row, steps in enumerate(begins):
            since[row, :steps] = past[-steps:]
        done, coming = (torch.as_tensor(each, dtype=torch.float32).to(states.device) for each in (before, since))
        found = self._model.rollout(states, self._model.blocks(done), self._model.blocks(coming))
        return found[torch.arange(leads), torch.arange(leads)]

    def _history(self, time: float) -> Tensor:
        """The states (T, S) that the model's history is made of at a moment."""
        history, skip = self._model.config.history, self._model.config.frameskip
        return torch.stack([self._at(time - self._period * skip * steps) for steps in range(history - 1, -1, -1)])

    def _before(self, past: NDArray[np.floating], rest: NDArray[np.floating] | None) -> NDArray[np.float64]:
        """The commands (m, A) between them, the newest last; before the first of `past` the arm was held."""
        held = self._model.action_rest.cpu().double().numpy() if rest is None else np.asarray(rest, np.float64)
        before = np.tile(held, (self._span, 1))
        if known := min(len(past), self._span):
            before[-known:] = past[-known:]
        return before

    def _moved(
        self, past: NDArray[np.floating], committed: NDArray[np.floating]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Commands that are positions as differences, of `past` all but the oldest, which nothing lies before."""
        if len(past):
            first = past[:1]
        else:
            first = np.asarray(committed[:1] if self._reading is None else self._reading[None])
        path = np.concatenate([first, *(commands for commands in (past[1:], committed) if len(commands))])
        moved = np.diff(path, axis=0)
        known = max(len(past) - 1, 0)
        return moved[:known], moved[len(moved) - len(committed) :]

    def _at(self, moment: float) -> Tensor:
        """The state at a moment: between two frames on the line between theirs, before the first like the first."""
        earlier = self._seen[0]
        for later in self._seen:
            if moment <= later[0]:
                if later is earlier:
                    return later[1]
                return torch.lerp(earlier[1], later[1], (moment - earlier[0]) / (later[0] - earlier[0]))
            earlier = later
        return earlier[1]

    def _check_begun(self) -> None:
        if not self._seen:
            raise RuntimeError("no episode has begun: call begin(pixels) with the first frame")

    def _encode(self, pixels: NDArray[Any], proprio: NDArray[np.floating] | None) -> Tensor:
        latent = self._model.encode(np.ascontiguousarray(pixels)[None])[0]
        if not self._model.config.proprio_dim:
            return latent
        readings = None if proprio is None else torch.as_tensor(np.asarray(proprio), dtype=torch.float32)
        return self._model.state(latent, None if readings is None else readings.to(latent.device))
