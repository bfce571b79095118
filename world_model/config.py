"""What a world model is made of and how it is trained: plain, validated, saved beside the weights."""

from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from forearm.common import checks
from forearm.errors import InputError

ENCODERS = ("conv", "vit", "frozen", "sensors")
TOKENS = ("patch", "pooled")
PATCHES = (2, 4, 8)
REGULARIZERS = ("sigreg", "vicreg")
PREDICTORS = ("residual", "affine", "prefix")
OPTIMIZERS = ("adamw", "muon")
PRECISIONS = ("auto", "float32", "bfloat16")

COUNT = checks.worded(checks.integer, "{name} is {value}: expected at least {least}")
ONE_OF = checks.worded(checks.choice, "{name} is '{value}': expected one of {known}")
WEIGHT = checks.worded(checks.real, "{name} is {value}: expected at least {least:g}")
ABOVE = checks.worded(checks.real, "{name} is {value}: expected a number above {above:g}")
HELD_OUT = checks.worded(checks.real, "{name} is {value}: expected a share of episodes between {above:g} and {below:g}")
SHARE = checks.worded(checks.real, "{name} is {value}: expected a share of episodes above 0 and up to 1")

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class BackboneConfig:
    """An image model of the `timm` library with pretrained weights that stay as they are.

    Attributes:
        weights_file: safetensors file of the weights, under timm's names.
        name: timm's name of the architecture.
        weights_sha256: of that file; None before it was read.
        tokens: `patch` for a map of features, `pooled` for the one vector that the model itself makes of an image.
        layer: which map, counted as timm does: stages of a convolutional model, blocks of a ViT; None for the last.
        input_size: side in pixels to which frames are resized.
        mean: of red, green and blue in [0, 1], taken off; None for those of the architecture.
        std: of red, green and blue in [0, 1], divided by; None for those of the architecture.
    """

    weights_file: str | None = None
    name: str = "vit_small_patch14_dinov2"
    weights_sha256: str | None = None
    tokens: str = checks.setting("patch", ONE_OF, known=TOKENS)
    layer: int | None = None
    input_size: int = checks.setting(112, COUNT, least=16)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        checks.settings(self, "backbone.")
        if not self.weights_file:
            raise InputError(
                f"backbone.weights_file is not set: give the safetensors file with the weights of {self.name}, "
                "world_model.backbone.weights_file=FILE"
            )
        if self.tokens == "pooled" and self.layer is not None:
            raise InputError(
                f"backbone.layer is {self.layer}: with tokens=pooled the model's own output is used, set null"
            )
        for name in ("mean", "std"):
            given = getattr(self, name)
            if given is None:
                continue
            numbers = isinstance(given, (list, tuple)) and all(isinstance(value, (int, float)) for value in given)
            if not numbers or len(given) != 3 or (name == "std" and min(given) <= 0):
                above = " above 0" if name == "std" else ""
                raise InputError(f"backbone.{name} is {given}: expected three numbers{above}, for red, green and blue")
            object.__setattr__(self, name, tuple(map(float, given)))  # a list when it comes from JSON or YAML


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of a JEPA.

    Attributes:
        encoder: `conv`, `vit` or `frozen`, of frames; or `sensors`, of readings alone.
        resolution: side of the square input frames in pixels.
        patch: side in pixels of the squares that the first layer (conv) takes whole.
        standardize: frames are seen less the mean frame of the data, and divided by their standard deviation from it,
            one number for all pixels; of use where what moves is small or dark.
        balance: red, green and blue of every frame are scaled so that its median colour is that of the data, which is
            how bright and of what tint the light is where most of a frame is the same background.
        latent_dim: D, size of the latent of one frame.
        width: channels of the encoder's first stage (conv), of every token (vit) or of the projected map (frozen), or
            units of its layers (sensors).
        depth: residual blocks per stage (conv), on the projected map (frozen) or in all (sensors), or transformer
            blocks (vit).
        history: latents that the predictor sees, the present one included.
        frameskip: control steps from one latent to the next; their actions enter as one block.
        action_dim: A, numbers in one command; 0 to learn from frames alone, without any commands.
        inferred_dim: with action_dim 0, numbers that are inferred from two latents in a row and tell the predictor what
            happened between them; 0 for a predictor that sees the past alone.
        proprio_dim: joint readings that the predictor sees and predicts beside the latent; 0 for camera only.
        predictor: `residual`, a network that is run on its own predictions; `affine` in the states, and run likewise;
            or `prefix`, which foretells every state of the horizon in one pass.
        predictor_width: units of the predictor's hidden layers, and (affine) how many matrices of rank one are mixed.
        predictor_depth: residual blocks of the predictor, or (affine) layers that look at the commands.
        predictor_steps: latent steps that a predictor of `prefix` foretells in one pass; what is further is a chain.
        backbone: what the encoder `frozen` builds on, or its settings as a mapping; None for the others.
    """

    encoder: str = checks.setting("conv", ONE_OF, known=ENCODERS)
    resolution: int = 64
    patch: int = 4
    standardize: bool = False
    balance: bool = False
    latent_dim: int = checks.setting(64, COUNT, least=1)
    width: int = checks.setting(32, COUNT, least=1)
    depth: int = checks.setting(1, COUNT, least=1)
    history: int = checks.setting(3, COUNT, least=1)
    frameskip: int = checks.setting(2, COUNT, least=1)
    action_dim: int = checks.setting(4, COUNT, least=0)
    inferred_dim: int = checks.setting(0, COUNT, least=0)
    proprio_dim: int = checks.setting(0, COUNT, least=0)
    predictor: str = checks.setting("residual", ONE_OF, known=PREDICTORS)
    predictor_width: int = checks.setting(384, COUNT, least=1)
    predictor_depth: int = checks.setting(2, COUNT, least=1)
    predictor_steps: int = checks.setting(6, COUNT, least=1)
    backbone: BackboneConfig | None = None

    def __post_init__(self) -> None:
        checks.settings(self)
        if isinstance(self.backbone, dict):
            object.__setattr__(self, "backbone", from_mapping(BackboneConfig, self.backbone))
        if (self.encoder == "frozen") != (self.backbone is not None):
            given = "none are given" if self.backbone is None else "they are given"
            raise InputError(
                f"encoder is '{self.encoder}', but {given}: backbone settings belong to encoder=frozen alone"
            )
        if self.encoder == "frozen" and self.width % 8:
            raise InputError(f"width is {self.width}: the projection of encoder=frozen needs a multiple of 8")
        if self.action_dim and self.inferred_dim:
            raise InputError(
                f"inferred_dim is {self.inferred_dim}, but action_dim is {self.action_dim}: what happens between two "
                "frames is either told or inferred, set one of them to 0"
            )
        if self.predictor != "residual" and not self.block_dim:
            raise InputError(
                f"predictor is '{self.predictor}', but there are no commands to be told (action_dim is 0): set it to "
                "residual"
            )
        if self.predictor != "prefix" and self.predictor_steps != ModelConfig.predictor_steps:
            raise InputError(
                f"predictor_steps is {self.predictor_steps}, but predictor is '{self.predictor}': a pass of several "
                "steps is that of predictor=prefix alone"
            )
        if self.resolution < 32 or self.resolution % 16:
            raise InputError(f"resolution is {self.resolution}: expected a multiple of 16 from 32 up")
        if self.encoder == "conv" and (self.patch not in PATCHES or self.resolution % (4 * self.patch)):
            raise InputError(
                f"patch is {self.patch}: expected one of {', '.join(map(str, PATCHES))}, of whose fourfold the "
                f"resolution, {self.resolution}, is a multiple"
            )
        if self.encoder == "sensors" and not self.proprio_dim:
            raise InputError("proprio_dim is 0: encoder=sensors sees readings alone, set it to their number")
        if self.encoder == "sensors" and (self.standardize or self.balance):
            raise InputError("standardize and balance are of frames: encoder=sensors sees none, set them to false")
        if self.encoder == "frozen" and self.standardize:
            raise InputError("standardize is true: a frozen backbone has its own mean and std, set it to false")
        if self.encoder == "frozen" and self.balance:
            raise InputError("balance is true: what a frozen backbone sees is kept of plain frames, set it to false")

    @property
    def block_dim(self) -> int:
        """Numbers that the predictor is told about one latent step: its commands, or what stands in for them."""
        return self.frameskip * self.action_dim or self.inferred_dim


@dataclass(frozen=True)
class LossConfig:
    """The training objective: predict the next latents, and keep latents from collapsing.

    Attributes:
        rollout: latent steps that the predictor is unrolled on its own predictions.
        beginnings: latents in a row from each of which it is unrolled. Windows are longer by as many, less one, and all
            paths within one share its frames, each of which is encoded once.
        regularizer: `sigreg` (LeJEPA, arXiv 2511.08544) or `vicreg` (arXiv 2105.04906).
        regularizer_weight: its weight beside the prediction loss.
        directions: random unit directions of SIGReg per step.
        inverse_dynamics: weight of predicting the action block that leads from one latent to a later one; VICReg needs
            it.
        inverse_steps: how many latent steps later that one may be, at most.
        time_contrast: weight of telling from a window's first latent which of the batch's last latents is of the same
            window: what stays while the arm moves, such as where an object lies, must be in the latents for that.
    """

    rollout: int = checks.setting(6, COUNT, least=1)
    beginnings: int = checks.setting(1, COUNT, least=1)
    regularizer: str = checks.setting("sigreg", ONE_OF, known=REGULARIZERS)
    regularizer_weight: float = checks.setting(0.1, WEIGHT, least=0.0)
    directions: int = checks.setting(256, COUNT, least=1)
    inverse_dynamics: float = checks.setting(0.0, WEIGHT, least=0.0)
    inverse_steps: int = checks.setting(1, COUNT, least=1)
    time_contrast: float = checks.setting(0.0, WEIGHT, least=0.0)

    def __post_init__(self) -> None:
        checks.settings(self)


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps.
        batch: windows per step; several processes share them evenly.
        optimizer: `adamw`; or `muon` for weights that are matrices, and AdamW for the rest.
        learning_rate: its peak rate, after `warmup` steps, then a cosine down to a hundredth.
        weight_decay: its decay of weights.
        warmup: steps until the peak rate is reached.
        clip: largest gradient norm.
        validation: share of episodes held out.
        share: of the other episodes, the share that is learned from. Smaller shares are part of larger ones, and what
            is held out does not depend on it.
        every: windows have their present at every n-th frame of an episode alone, from its first on.
        validate_every: steps from one look at the held-out episodes to the next.
        save_every: steps from one periodic checkpoint to the next.
        seed: of initialisation and of the order of the windows.
        precision: `auto`, `float32` or `bfloat16`.
        accumulate: micro-batches per optimiser step; the regularisers are statistics of a whole batch, so only 1
            is right.
    """

    steps: int = checks.setting(6000, COUNT, least=1)
    batch: int = checks.setting(64, COUNT, least=8)
    optimizer: str = checks.setting("adamw", ONE_OF, known=OPTIMIZERS)
    learning_rate: float = checks.setting(1e-3, ABOVE, above=0.0)
    weight_decay: float = checks.setting(1e-4, WEIGHT, least=0.0)
    warmup: int = checks.setting(100, COUNT, least=0)
    clip: float = 1.0
    validation: float = checks.setting(0.05, HELD_OUT, above=0.0, below=1.0)
    share: float = checks.setting(1.0, SHARE, above=0.0, most=1.0)
    every: int = checks.setting(1, COUNT, least=1)
    validate_every: int = checks.setting(250, COUNT, least=1)
    save_every: int = checks.setting(250, COUNT, least=1)
    seed: int = 0
    precision: str = checks.setting("auto", ONE_OF, known=PRECISIONS)
    accumulate: int = 1

    def __post_init__(self) -> None:
        checks.settings(self)
        if self.accumulate != 1:
            raise InputError(
                f"accumulate is {self.accumulate}: the regulariser's statistics are those of a whole batch, "
                "and summing them over micro-batches would be another loss; lower world_model.train.batch= instead"
            )


def from_mapping(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """A settings object from a mapping.

    Raises:
        ValueError: unknown keys, or values that the settings reject.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"unknown setting {', '.join(unknown)}: {kind.__name__} has {', '.join(sorted(known))}")
    return kind(**values)


def to_mapping(settings: Any) -> dict[str, Any]:
    """The settings as plain values, for JSON; of a model without those that its predictor has no use for."""
    values = asdict(settings)
    if isinstance(settings, LossConfig):  # as all were before there was a choice
        if settings.beginnings == 1:
            del values["beginnings"]
        if not settings.time_contrast:
            del values["time_contrast"]
    if isinstance(settings, TrainConfig) and settings.optimizer == "adamw":  # likewise
        del values["optimizer"]
    if isinstance(settings, ModelConfig):
        if settings.predictor != "prefix":
            del values["predictor_steps"]
        if settings.predictor == "residual":  # as all models were before there was a choice
            del values["predictor"]
    return values
