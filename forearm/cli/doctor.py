"""Looks at the machine and says what forearm found, what it lacks, and what to do about it."""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forearm.errors import ForearmError
from forearm.evaluation.table import print_whole

REINSTALL = "install forearm again (in a checkout: make distclean setup)"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at, such as "GL back end".
        ok: whether it is there and works.
        detail: what was found, one line.
        remedy: what to do about it, one line; empty when there is nothing to do.
        essential: whether planning is impossible without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    essential: bool = True


def diagnose(pretrained: Path | None = None) -> list[Finding]:
    """Look at everything that forearm leans on; takes a few seconds, changes nothing.

    A check that fails in an unforeseen way becomes a finding of its own, so that one broken library does not
    hide the rest.

    Args:
        pretrained: folder with the shipped checkpoints; the package's own by default.
    """
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", _python),
        ("MuJoCo", _mujoco),
        ("GL back end", _gl),
        ("torch", _torch),
        ("GPU", _gpu),
        ("checkpoints", lambda: _checkpoints(pretrained)),
        ("ffmpeg", _ffmpeg),
    ]
    return [_guarded(name, check) for name, check in checks]


def render_table(findings: Sequence[Finding]) -> Table:
    """The findings as a table for a `rich` console."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.essential else "-"
        style = "green" if finding.ok else "bold red" if finding.essential else "yellow"
        text = escape(finding.detail)
        if finding.remedy:
            text += f"\n→ {escape(finding.remedy)}"
        table.add_row(f"[{style}]{mark}[/{style}]", escape(finding.name), text)
    return table


def usable(findings: Sequence[Finding]) -> bool:
    """Whether nothing essential is missing."""
    return all(finding.ok or not finding.essential for finding in findings)


def main(argv: Sequence[str] = ()) -> int:
    """Run `forearm doctor`, which takes no settings.

    Returns:
        The exit status: 0 when forearm can work here, 1 when something essential is missing.

    Raises:
        ForearmError: a setting was given.
    """
    if argv:
        raise ForearmError(f"'doctor' takes no settings, but got '{argv[0]}'")
    findings = diagnose()
    console = Console()
    print_whole(console, render_table(findings))
    lacking = [finding.name for finding in findings if finding.essential and not finding.ok]
    verdict = f"not ready, see {', '.join(lacking)} above" if lacking else "ready to plan"
    console.print(f"\nforearm is {verdict}", highlight=False)
    return 0 if usable(findings) else 1


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """`check`, with an import that fails or any other surprise turned into a finding."""
    essential = name != "GPU"
    try:
        return check()
    except ImportError as error:
        reason, remedy = getattr(error, "reason", _first_line(error)), getattr(error, "remedy", REINSTALL)
        return Finding(name, False, f"cannot be imported: {reason}", remedy, essential)
    except Exception as error:  # the doctor must outlive whatever is broken
        return Finding(name, False, f"{type(error).__name__}: {_first_line(error)}", REINSTALL, essential)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "3.10.0rc1" is (3, 10)."""
    numbers = []
    for part in version.split(".")[:2]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _python() -> Finding:
    machine = f"{platform.system()} {platform.machine()}"
    return Finding("Python", True, f"{platform.python_version()} at {sys.executable}, {machine}")


@contextmanager
def _gl_not_chosen() -> Iterator[None]:
    """Without `MUJOCO_GL` inside: with a back end that is not there, MuJoCo cannot even be imported."""
    asked = os.environ.pop("MUJOCO_GL", None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ["MUJOCO_GL"] = asked


def _mujoco() -> Finding:
    with _gl_not_chosen():
        from forearm.envs.backend import mujoco
    version = mujoco.__version__
    if _release(version) < (3, 3):
        return Finding("MuJoCo", False, version, "install MuJoCo 3.3 or newer: pip install 'mujoco>=3.3'")
    if version == "4.0.0":
        remedy = "simulate nothing of 60 degrees of freedom or more, or install another: pip install 'mujoco!=4.0.0'"
        return Finding("MuJoCo", False, f"{version}, whose solver is wrong for large models", remedy, essential=False)
    return Finding("MuJoCo", True, version)


def _gl() -> Finding:
    """The GL back end that draws a frame, each tried in a process of its own."""
    with _gl_not_chosen():
        try:
            from forearm.envs.rendering import BACKENDS, REMEDY, probe
        except ImportError as error:
            remedy = getattr(error, "remedy", REINSTALL)
            return Finding("GL back end", False, "cannot be tried: MuJoCo cannot be imported, see above", remedy)

    drawing = [backend for backend in BACKENDS if probe(backend)]
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    if asked and asked not in drawing:
        remedy = "unset MUJOCO_GL" if drawing else f"unset MUJOCO_GL; then: {REMEDY}"
        return Finding("GL back end", False, f"MUJOCO_GL={asked} draws nothing here", remedy)
    if not drawing:
        return Finding("GL back end", False, f"none of {', '.join(BACKENDS)} drew a frame", REMEDY)
    chosen = asked or drawing[0]
    rest = [f"{name} {'draws too' if name in drawing else 'does not'}" for name in BACKENDS if name != chosen]
    return Finding("GL back end", True, f"{chosen} drew a frame ({', '.join(rest)})")


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _torch() -> Finding:
    import torch

    threads, cores = torch.get_num_threads(), _cores()
    found = f"{torch.__version__}, {threads} thread{'s' * (threads != 1)} on {cores} core{'s' * (cores != 1)}"
    if _release(torch.__version__) < (2, 6):
        return Finding("torch", False, found, "install torch 2.6 or newer: pip install 'torch>=2.6'")
    if threads > cores:
        remedy = f"set OMP_NUM_THREADS={cores}: more threads than cores are slow"
        return Finding("torch", False, found, remedy, essential=False)
    return Finding("torch", True, found)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("GPU", True, f"{', '.join(names)} (CUDA {torch.version.cuda})", essential=False)
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU build of torch"
    remedy = "none needed: planning and training run on the CPU"
    return Finding("GPU", False, f"none in use ({built})", remedy, essential=False)


def _checkpoints(folder: Path | None) -> Finding:
    """The shipped checkpoints, their heads, students, sub-goals and decoders, each loaded once."""
    from forearm.world_model.heads.checkpoint import load_heads
    from forearm.world_model.heads.decoder_checkpoint import load_decoder
    from forearm.world_model.heads.student_checkpoint import load_student
    from forearm.world_model.heads.subgoal_checkpoint import load_subgoal
    from forearm.world_model.runtime.checkpoint import (
        CALIBRATION,
        DECODER,
        HEADS,
        STUDENT,
        SUBGOAL,
        CheckpointError,
        load_checkpoint,
        pretrained_folder,
    )

    folder = folder or pretrained_folder()
    loaders: dict[str, Callable[[Path, str], object]]
    loaders = {HEADS: load_heads, STUDENT: load_student, SUBGOAL: load_subgoal, DECODER: load_decoder}
    sound, broken = [], []
    for stem in sorted({path.stem for kind in ("json", "safetensors") for path in folder.glob(f"*.{kind}")}):
        if stem.endswith(CALIBRATION):
            continue
        try:
            suffix = next((suffix for suffix in loaders if stem.endswith(suffix)), "")
            _, document = load_checkpoint(folder / f"{stem.removesuffix(suffix)}.json")
            if suffix:
                loaders[suffix](folder / f"{stem}.json", document["weights_sha256"])
        except CheckpointError as error:
            broken.append(_first_line(error))
        else:
            sound.append(f"{stem} ({(folder / f'{stem}.safetensors').stat().st_size / 1e6:.1f} MB)")
    found = "; ".join([", ".join(sound)] * bool(sound) + broken)
    if broken:
        return Finding("checkpoints", False, found, f"{REINSTALL}, or remove what is damaged from {folder}")
    if not sound:
        train = "train one with forearm collect and forearm train (--help shows how)"
        return Finding("checkpoints", False, f"none in {folder}", f"{REINSTALL}; or {train}")
    return Finding("checkpoints", True, found)


def _ffmpeg() -> Finding:
    """The ffmpeg in PyAV, which writes and reads every film and data set."""
    import av
    import av.codec

    version = f"{av.ffmpeg_version_info} in PyAV {av.__version__}"
    if "libx264" not in av.codec.codecs_available:
        remedy = "install PyAV again, from its wheel: pip install --force-reinstall av"
        return Finding("ffmpeg", False, f"{version} has no H.264 encoder (libx264)", remedy)
    return Finding("ffmpeg", True, f"{version} for films and datasets")


if __name__ == "__main__":
    sys.exit(main())
