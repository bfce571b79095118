"""A distance by its kind, and its training."""

from forearm.world_model.heads.distance import Distance, DistanceConfig, QuasimetricDistance, ReachabilityDistance
from forearm.world_model.heads.fitting import OnStep, fit
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.heads.value import ValueDistance


def make_distance(latent_dim: int, config: DistanceConfig) -> Distance:
    """The untrained distance of a config."""
    kinds = {"reachability": ReachabilityDistance, "quasimetric": QuasimetricDistance, "value": ValueDistance}
    return kinds[config.kind](latent_dim, config)


def train_distance(
    data: Trajectories,
    config: DistanceConfig,
    seed: int = 0,
    on_step: OnStep = lambda step: None,
    stride: int = 1,
) -> tuple[Distance, list[float]]:
    """A distance fitted to encoded episodes, in evaluation mode, and the loss of each step.

    `stride`: control steps in which slow features change little. Raises ValueError where no episode is that long.
    """

    def make() -> Distance:
        distance = make_distance(data.latents.shape[1], config)
        distance.prepare(data, stride)
        return distance

    return fit(make, lambda head, draw: head.loss(data, draw), config, seed, on_step)
