"""From a frame to one latent vector."""

import torch
from torch import Tensor, nn

from forearm.world_model.config import ModelConfig
from forearm.world_model.model.backbone import Backbone
from forearm.world_model.model.sensor_encoder import SensorEncoder


def pixels(frames: Tensor) -> Tensor:
    """(N, 3, R, R) in [-0.5, 0.5] of frames (N, R, R, 3) uint8."""
    return frames.permute(0, 3, 1, 2).float() / 255.0 - 0.5


class Stem(nn.Conv2d):
    """Whole patches of `pixels`, or of what they are standardised: less a mean frame, over a deviation.

    Scaling and centring are linear, as this layer is: they are done to its weights and to one frame, not to every
    pixel of every frame, which on a processor would cost nearly half as much as the rest of the model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, patch: int, resolution: int, standardize: bool) -> None:
        super().__init__(3, width, patch, stride=patch)
        self.standardize = standardize
        if standardize:
            self.register_buffer("mean", torch.zeros(resolution, resolution, 3))
            self.register_buffer("std", torch.ones(()))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, R, R, 3) uint8 to (N, width, R / patch, R / patch)."""
        # In full precision: what is left when the mean frame is taken off may be small beside it.
        with torch.autocast(frames.device.type, enabled=False):
            assert self.bias is not None  # as it is made above
            weight = self.weight / 255.0
            if self.standardize:
                weight = weight / self.std
                centre = 255.0 * (self.mean + 0.5).permute(2, 0, 1)[None]
                bias, offset = self.bias, nn.functional.conv2d(centre, weight, stride=self.stride)
            else:
                bias, offset = self.bias - 127.5 * weight.sum((1, 2, 3)), None
            # A permuted view of NHWC bytes already is channels-last memory; the convolutions want it so.
            seen = nn.functional.conv2d(frames.permute(0, 3, 1, 2).to(weight.dtype), weight, bias, self.stride)
            return seen if offset is None else seen - offset


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, pre-activated (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ConvEncoder(nn.Module):
    """A stem of whole patches, two stages of residual blocks, each at half the resolution before, and the last map.

    That map is flattened, not averaged: where a small object is matters more than what it is. No blocks at the stem's
    resolution: they cost half of the time and bought no planning success.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [Stem(width, config.patch, config.resolution, config.standardize)]
        for channels in (2 * width, 4 * width):
            layers += [nn.SiLU(), nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1)]
            layers += [_ResidualBlock(channels) for _ in range(config.depth)]
        layers += [nn.GroupNorm(8, 4 * width), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.features = 4 * width * (config.resolution // (4 * config.patch)) ** 2

    def forward(self, frames: Tensor) -> Tensor:
        """(N, R, R, 3) uint8 to (N, features)."""
        return self.trunk(frames).flatten(1)


class VitEncoder(nn.Module):
    """A small vision transformer over 8x8 patches with learned positions; its class token is the output."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = max(64, config.width // 64 * 64)
        self.patches = Stem(width, 8, config.resolution, config.standardize)
        self.position = nn.Parameter(0.02 * torch.randn(1, (config.resolution // 8) ** 2 + 1, width))
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, width // 32, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, config.depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.features = width

    def forward(self, frames: Tensor) -> Tensor:
        """(N, R, R, 3) uint8 to (N, features)."""
        tokens = self.patches(frames).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1) + self.position
        return self.blocks(tokens)[:, 0]


class FrozenEncoder(nn.Module):
    """A pretrained backbone that stays as it is, and a small projection of its map that is trained.

    After DINO-WM (arXiv 2411.04983), which predicts the patch features themselves; here they are brought down to one
    latent, so that everything after the encoder is the same as with the others.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.backbone is not None
        self.backbone = Backbone(config.backbone)
        channels, height, width = self.backbone.shape
        layers: list[nn.Module] = [nn.BatchNorm2d(channels, affine=False), nn.Conv2d(channels, config.width, 1)]
        layers += [_ResidualBlock(config.width) for _ in range(config.depth)]
        layers += [nn.GroupNorm(8, config.width), nn.SiLU()]
        self.projection = nn.Sequential(*layers)
        self.features = config.width * height * width

    def forward(self, frames: Tensor) -> Tensor:
        """(N, R, R, 3) uint8 to (N, features)."""
        return self.reduce(self.backbone(pixels(frames)))

    def reduce(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) float16 that the backbone has made to (N, features)."""
        return self.projection(maps.float()).flatten(1)


Encoder = ConvEncoder | VitEncoder | FrozenEncoder | SensorEncoder


def make_encoder(config: ModelConfig) -> Encoder:
    """The encoder that `config` names; raises `BackboneError` for a frozen one whose backbone cannot be had."""
    if config.encoder == "frozen":
        return FrozenEncoder(config)
    if config.encoder == "sensors":
        return SensorEncoder(config)
    return ConvEncoder(config) if config.encoder == "conv" else VitEncoder(config)
