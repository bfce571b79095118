"""Files of a user's own: a world model of the built-in tasks, others that are wrong, and a planner."""

MODEL = """
import torch

class Mine:
    frameskip, history = 2, 2
    def __init__(self, scale=1.0):
        stream = torch.Generator().manual_seed(0)
        self.eye = torch.nn.Linear(3 * 8 * 8, 6, bias=False)
        self.hand = torch.nn.Linear(4, 6, bias=False)
        for part in (self.eye, self.hand):
            part.weight.data = scale * torch.randn(part.weight.shape, generator=stream)
            part.requires_grad_(False)
    def encode(self, frames):
        pixels = torch.as_tensor(frames).float().permute(0, 3, 1, 2) / 255
        return self.eye(torch.nn.functional.adaptive_avg_pool2d(pixels, 8).flatten(1)).unflatten(1, (2, 3))
    def rollout(self, state, actions):
        assert state.states.shape[1] == 2 and state.actions.shape[1] == 2
        moved = self.hand(actions).unflatten(2, (-1, 2)).sum(3).cumsum(2)
        return (state.states[:, -1].flatten(1)[:, None, None] + moved).unflatten(3, (2, 3))

def load():
    return Mine()

class Smaller(Mine):
    resolution = 32

def other():
    return Smaller(0.5)
"""
WRONG = """
import itertools
import torch
from own_model import Mine

COUNT = itertools.count()

class Blind:
    rollout = Mine.rollout

class Short(Mine):
    def rollout(self, state, actions):
        return super().rollout(state, actions)[:, :, :1]

class Flat(Mine):
    def encode(self, frames):
        return super().encode(frames).flatten()

class Whole(Mine):
    def encode(self, frames):
        return super().encode(frames).long()

class Failing(Mine):
    def encode(self, frames):
        raise RuntimeError("no such device")

class Jumping(Mine):
    frameskip = 0

class Wide(Mine):
    action_dim = 7

class Changing(Mine):
    def encode(self, frames):
        return super().encode(frames) + next(COUNT)

class Batched(Mine):
    def encode(self, frames):
        found = super().encode(frames)
        return found - found.mean(0)

class Slow(Mine):
    control_period = 1.0

class Unseeded(Mine):
    def __init__(self):
        super().__init__()
        self.eye = torch.nn.Linear(3 * 8 * 8, 6)

def failing():
    raise FileNotFoundError("weights.safetensors")

nothing = 3
"""
PLANNER = """
from dataclasses import dataclass
from forearm.planner import CEM, CEMConfig

@dataclass(frozen=True, kw_only=True)
class HillConfig(CEMConfig):
    \"\"\"As CEM.

    Attributes:
        shrink: of the spread.
    \"\"\"
    shrink: float = 0.7

class Hill(CEM):
    name = "hill"
    config_type = HillConfig

class Loose:
    config_type = dict
    def plan(self):
        pass

def function():
    pass
"""
