"""A process whose arithmetic is the same on every x86-64, and hashes of what is computed in it."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

PINS = {
    # Torch's own loops without AVX; oneDNN, MKL and OpenBLAS as on a processor that has SSE4 and no more.
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "OPENBLAS_CORETYPE": "Nehalem",
    # The C library's sin, exp and the like without fused multiply-add, of which it has a variant each.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX2_Usable,-FMA_Usable,-FMA4_Usable,-AVX512F,-AVX512VL",
    # One thread: sums over threads are in another order.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # What else of the surroundings could be seen in a message or a setting.
    "COLUMNS": "120",
    "NO_COLOR": "1",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore",
}
UNSET = (
    "GOLDEN_WHOLE",
    "FOREARM_DEBUG",
    "FOREARM_CONFIGS",
    "FOREARM_TOKEN",
    "PYTHONSTARTUP",
    "FORCE_COLOR",
    "CUDA_VISIBLE_DEVICES",
)
"""Variables of the user's own that the product or its libraries listen to."""
ROUNDING = ("torch", "numpy", "scipy", "mujoco", "ruckig", "cma")
"""Libraries whose releases may round differently."""
LARGE = 4096
"""Numbers in an array beyond which `WHOLE` tells only how they lie."""


WHOLE = "GOLDEN_WHOLE"
"""Variable under which `sha256` gives what it is asked to hash instead of the hash."""


def environment(root: Path = ROOT) -> dict[str, str]:
    """Variables of a process with pinned arithmetic that runs the code in `root`."""
    kept = {key: value for key, value in os.environ.items() if key not in UNSET}
    vectors = " ".join(np._core._multiarray_umath.__cpu_dispatch__)  # type: ignore[attr-defined]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, **PINS, "NPY_DISABLE_CPU_FEATURES": vectors, "PYTHONPATH": path}


def captured(
    entries: Sequence[str], prefix: Sequence[str] = (), root: Path = ROOT, whole: bool = False
) -> dict[str, Any]:
    """What the code in `root` computes for `entries`, in a process of its own; `prefix` goes before its command.

    An entry that could not be captured holds `{"failed": traceback}`. With `whole`, values stand in place of hashes.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "captured.json"
        command = [*prefix, sys.executable, "-m", "tests.golden.capture", "--inside", str(out), *entries]
        env = environment(root) | ({WHOLE: "1"} if whole else {})
        run = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
        if not out.exists():
            raise RuntimeError(f"the capture ended with {run.returncode}: {run.stderr[-4000:]}")
        return dict(json.loads(out.read_text(encoding="utf-8")))


def made_with() -> dict[str, str]:
    """Releases of the libraries on whose rounding the numeric entries depend, and the processor's family."""
    libraries = {name: version(name).partition("+")[0] for name in ROUNDING}
    return {**libraries, "libc": " ".join(platform.libc_ver()), "machine": platform.machine()}


def sha256(value: Any) -> str:
    """The first half of the SHA-256 of `value` as JSON; arrays by type, shape and bytes, mappings in any order."""
    if WHOLE in os.environ:
        return json.dumps(value, sort_keys=True, default=_listed, indent=1)
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        return [str(data.dtype), list(data.shape), hashlib.sha256(data.tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a golden value")


def _listed(value: Any) -> Any:
    """As `_plain`, with the numbers of an array, or of a large one their hash and how they lie."""
    if not isinstance(value, np.ndarray):
        return _plain(value)
    if value.size <= LARGE:
        return [f"{value.dtype} {value.shape}", value.tolist()]
    spread = value.astype(np.float64)
    about = f"{spread.min():.9g} to {spread.max():.9g}, mean {spread.mean():.12g}"
    return f"{value.dtype} {value.shape}: {about}, {_plain(value)[2][:16]}"
