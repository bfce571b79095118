"""What docs/benchmarks.md is told of the measurements."""

from collections.abc import Mapping
from typing import Any

from tools.render.figures import Measured

SECTIONS = (
    "overhead", "quality", "share", "deadlines", "scaling", "scaling-gpu", "lewm", "lewm-gpu", "training",
    "training-gpu", "minutes", "surprise", "scale", "memory", "pareto", "curves",
)  # fmt: skip
"""In the order of the page, and of measuring: `curves` is last, as what else runs then does not matter."""
ON_GPU = "-gpu"
"""How the names of sections end that need a GPU."""


def context(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The sections that were measured; the machine of the first is the usual one, another is named."""
    sections = {name: measured[name] for name in SECTIONS if name in measured}
    if not sections:
        return {"sections": {}}
    first = next(iter(sections.values()))
    usual = first["machine"]

    def elsewhere(machine: Mapping[str, Any]) -> bool:
        return any(machine[key] != usual[key] for key in ("processor", "cores", "gpu", "torch"))

    quick = any(part.get("quick") for part in sections.values())
    return {
        "sections": sections, "machine": usual, "peers": first["peers"], "quick": quick, "elsewhere": elsewhere,
    }  # fmt: skip
