"""Pretrained image models of the `timm` library, with weights from a local file, for use as they are.

Nothing is downloaded and nothing unpickled: the weights are a safetensors file under timm's names. What comes as a
torch file is converted first, see `scripts/convert_backbone.py`.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.config import BackboneConfig, to_mapping
from forearm.world_model.model.timm_import import import_timm

NAMED = 4
"""How many tensors a message about many names."""


class BackboneError(InputError):
    """A pretrained backbone that cannot be had or used; the message says what is missing or differs."""


class Backbone:
    """An image model that is evaluated and never trained.

    It is no `nn.Module`, so that its weights are no part of the modules that use it: of neither their state dict, nor
    their optimiser, nor their training mode.

    Args:
        config: `weights_sha256`, where it is set, must be that of the file.

    Attributes:
        config: the same with hash and colours filled in.
        shape: (C, h, w) of the map of one frame; h and w are 1 for `pooled`.

    Raises:
        BackboneError: `timm` is not installed, has no such model, or the file is missing, is another one than the
            hash says, does not fit the model, or the model makes no such map of frames of that size.
    """

    def __init__(self, config: BackboneConfig) -> None:
        model = make_model(config.name)
        assert config.weights_file is not None
        path = Path(config.weights_file).expanduser()
        tensors, sha256 = read_weights(path, config)
        load_weights(model, tensors, config.name, path)
        usual = model.pretrained_cfg
        mean, std = config.mean or tuple(usual["mean"]), config.std or tuple(usual["std"])
        self.config = replace(config, weights_sha256=sha256, mean=mean, std=std)
        self._model = model.eval().requires_grad_(False)
        self._mean, self._std = (torch.tensor(colour).view(3, 1, 1) for colour in (mean, std))
        size = config.input_size
        try:
            # Models with position embeddings have them for one size, and resample them for another.
            if hasattr(model, "set_input_size"):
                model.set_input_size(img_size=(size, size))
            found = self._map(torch.zeros(1, 3, size, size))
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise BackboneError(
                f"backbone {config.name} cannot be used with input_size={size}, tokens={config.tokens}, "
                f"layer={'null' if config.layer is None else config.layer}: {_first_line(error)}"
            ) from error
        self.shape = (found.shape[1], found.shape[2], found.shape[3])

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Maps (N, C, h, w) float16 of frames (N, 3, R, R) in [-0.5, 0.5], on the frames' device.

        Half precision, because that is what is kept of the training data: planning then sees what training saw.
        """
        if self._mean.device != pixels.device:
            self._model = self._model.to(pixels.device)
            self._mean, self._std = self._mean.to(pixels.device), self._std.to(pixels.device)
        size = (self.config.input_size, self.config.input_size)
        if pixels.shape[-2:] != size:
            pixels = nn.functional.interpolate(
                pixels, size, mode="bilinear", antialias=size[0] < pixels.shape[-1], align_corners=False
            )
        with torch.autocast(pixels.device.type, enabled=False):
            return self._map((pixels.float() + 0.5 - self._mean) / self._std).half()

    def identity(self) -> dict[str, Any]:
        """What decides the maps: all settings but the place of the file."""
        return {key: value for key, value in to_mapping(self.config).items() if key != "weights_file"}

    def _map(self, images: Tensor) -> Tensor:
        model: Any = self._model
        if self.config.tokens == "pooled":
            return model(images)[:, :, None, None]
        layer = -1 if self.config.layer is None else self.config.layer
        options = {"norm": True, "stop_early": True, "output_fmt": "NCHW", "intermediates_only": True}
        return model.forward_intermediates(images, indices=[layer], **options)[0]


def make_model(name: str) -> Any:
    """The timm model `name` with random weights and without a classifier.

    Raises:
        BackboneError: `timm` is not installed, or has no such model.
    """
    try:
        timm = import_timm()
    except ImportError as error:
        raise BackboneError(
            f"a frozen backbone needs the extra 'frozen', which is not installed ({_first_line(error)}): "
            "pip install 'forearm[frozen]'"
        ) from error
    # timm takes names with a scheme for places on the network.
    if ":" in name or not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0].rpartition('/')[2]}*")[:NAMED]
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise BackboneError(f"backbone.name is '{name}', which timm {timm.__version__} does not have{hint}")
    with torch.random.fork_rng(devices=[]):  # weights that are replaced must not move the stream of those that are not
        return timm.create_model(name, pretrained=False, num_classes=0)


def read_weights(path: Path, config: BackboneConfig) -> tuple[dict[str, Tensor], str]:
    """The tensors in the safetensors file `path`, and its sha256.

    Raises:
        BackboneError: the file is missing, damaged or another one than `config` says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        known = f" (sha256 {config.weights_sha256})" if config.weights_sha256 else ""
        raise BackboneError(
            f"{path}: the weights of backbone {config.name}{known} cannot be read ({error.strerror}): "
            "put the file there (a checkpoint also finds it beside itself)"
        ) from error
    sha256 = hashlib.sha256(content).hexdigest()
    if config.weights_sha256 not in (None, sha256):
        raise BackboneError(
            f"{path}: is not the file that this model was trained with: its sha256 is {sha256}, "
            f"expected {config.weights_sha256}"
        )
    try:
        return load_tensors(content), sha256
    except SafetensorError as error:
        raise BackboneError(
            f"{path}: is no safetensors file ({error}); convert torch files with scripts/convert_backbone.py"
        ) from error


def load_weights(model: Any, tensors: dict[str, Tensor], name: str, path: Path) -> None:
    """Fills the timm model `name` with the `tensors` that were in `path`, all but those of a classifier.

    Raises:
        BackboneError: tensors are missing, too many or of another shape.
    """
    classifier = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([classifier] if isinstance(classifier, str) else classifier))
    wanted = model.state_dict()
    given = {key: value for key, value in tensors.items() if key in wanted or not key.startswith(heads)}
    differing = {
        # How many batches a batch norm has seen counts in training alone, and not every file says it.
        "missing": [key for key in wanted if key not in given and not key.endswith(".num_batches_tracked")],
        "unknown": [key for key in given if key not in wanted],
        "of another shape": [key for key in given if key in wanted and given[key].shape != wanted[key].shape],
    }
    found = [f"{len(keys)} tensors {kind} ({', '.join(keys[:NAMED])})" for kind, keys in differing.items() if keys]
    if found:
        raise BackboneError(f"{path}: does not hold the weights of {name} under timm's names: {'; '.join(found)}")
    model.load_state_dict(given, strict=False)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
