"""The optional library `timm`, also where the torchvision beneath it was compiled for another build of torch.

Package indexes offer torchvision compiled for CUDA. Beside a CPU build of torch of the same version its operators
cannot be loaded, and its import then stops where it tells torch about two of them: the suppression of overlapping boxes
in object detection. No image model has a use for those, so they are declared, without anything behind them.
"""

import importlib
import sys
from types import ModuleType

import torch

OPERATORS = ("nms", "qnms")
_declared: list[torch.library.Library] = []
"""Declarations hold for as long as their library object is kept."""


def import_timm() -> ModuleType:
    """The library.

    Raises:
        ImportError: it is not installed, or torchvision does not go with this torch.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error) or _declared:
            raise ImportError(f"torchvision does not go with torch {torch.__version__}: {error}") from error
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # a half of an import
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        return import_timm()
    return importlib.import_module("timm")
