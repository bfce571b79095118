"""Batch normalisation of the whole batch, also where several processes share it."""

import torch
from torch import Tensor, nn

from forearm.world_model.distributed import batch_mean, count


class WholeBatchNorm(nn.BatchNorm1d):
    """Batch norm (Ioffe and Szegedy, arXiv 1502.03167) with the statistics of all processes' shares together.

    `nn.SyncBatchNorm` is the same on GPUs; it knows no other devices.

    Args:
        features: D.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, affine=False)

    def forward(self, input: Tensor) -> Tensor:
        """(N, D) to (N, D); N is the same in every process."""
        processes = count()
        if not self.training or processes == 1:
            return super().forward(input)
        mean = batch_mean(input)
        centred = input - mean
        variance = batch_mean(centred.square())
        self._follow(mean.detach(), variance.detach(), processes * len(input))
        return centred * torch.rsqrt(variance + self.eps)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
