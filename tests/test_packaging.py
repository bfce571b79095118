"""The house itself: no pickle, pinned versions, a wheel that works."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("planner", "world_model", "envs")
CODE = (*ROOMS, "forearm", "configs", "tools")
SHIPPED = (*ROOMS, "forearm", "configs")
# What the wheel holds of every folder that is shipped.
HELD = (
    "*.py",
    "py.typed",
    "*.yaml",
    "pretrained/*.safetensors",
    "pretrained/*.json",
    "assets/*",
    "page.html",
    "templates/*",
)
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"), name)


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and package of every absolute import, those inside functions included; of ours, with the room."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, *rest = name.split(".")
            yield node.lineno, f"forearm.{rest[0]}" if top == "forearm" and rest else top


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_pickle_is_read_or_written():
    found = []
    for name, tree in modules(*CODE):
        found += [f"{name}:{line} imports {package}" for line, package in imports(tree) if package in PICKLES]
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save"):
                found.append(f"{name}:{node.lineno} uses {ast.unparse(node)}")
            elif isinstance(node, ast.keyword) and ast.unparse(node) == "allow_pickle=True":
                found.append(f"{name}:{node.value.lineno} allows pickle")
    assert not found, "\n".join(found)


def pins() -> dict[str, list[Requirement]]:
    """Every line of constraints.txt, by package."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pin = Requirement(line)
            found.setdefault(normal(pin.name), []).append(pin)
    return found


def wanted() -> list[Requirement]:
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_every_dependency_is_pinned_once_within_its_range(python):
    for requirement in wanted():
        here = [
            pin
            for pin in pins().get(normal(requirement.name), [])
            if pin.marker is None or pin.marker.evaluate({"python_version": python})
        ]
        assert len(here) == 1, f"constraints.txt pins {requirement.name} {len(here)} times on Python {python}"
        (pin,) = here[0].specifier
        assert pin.operator == "==" and "*" not in pin.version
        assert requirement.specifier.contains(pin.version), f"{here[0]} is outside {requirement}"


def test_the_lower_end_of_every_range_is_what_the_oldest_are_tested_with():
    """Where a bound names no exact release, the first one that there is."""
    lines = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    oldest = {normal(pin.name): pin for pin in map(Requirement, [x for x in lines if x and not x.startswith("#")])}
    extras = project()["optional-dependencies"]
    untested = {normal(Requirement(line).name) for line in [*extras["bench"], *extras["docs"]]}
    untested |= {"ruff", "mypy", "pre-commit", "import-linter"}
    for requirement in wanted():
        name = normal(requirement.name)
        floors = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
        if name in untested:
            continue
        (pinned,) = oldest[name].specifier
        assert requirement.specifier.contains(pinned.version), f"{oldest[name]} is outside {requirement}"
        assert SpecifierSet(f"=={floors[0]}.*").contains(pinned.version), (
            f"{oldest[name]} is not the end of {requirement}"
        )


def test_each_benchmark_asks_for_a_mujoco_and_what_is_installed_says_so():
    from forearm.envs import registry
    from forearm.envs.benchmarks import catalog

    extras = project()["optional-dependencies"]
    for benchmark, extra in catalog.EXTRAS.items():
        asked = [Requirement(line) for line in extras[extra] if normal(Requirement(line).name) == "mujoco"]
        assert len(asked) == (benchmark != "pusht"), "pymunk simulates PushT, MuJoCo the others"
        found = asked[0].specifier if asked else SpecifierSet()
        assert registry.mujoco_range(benchmark) == found, "pyproject.toml has changed: install forearm again"
        wanted = {normal(Requirement(line).name) for line in extras[extra]}
        assert normal(catalog.PACKAGES[benchmark]) in wanted


def test_torch_is_pinned_without_a_build():
    (pin,) = pins()["torch"]
    assert str(pin.specifier) == "==2.13.0"


def test_no_package_host_or_private_path_is_named():
    files = [ROOT / name for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run")]
    for path in [*files, *sorted((ROOT / "scripts").glob("*.sh"))]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|file://|/root/|/home/", text), path.name


def test_what_ships_beside_weights_names_no_place_on_a_machine():
    documents = sorted((ROOT / "world_model" / "pretrained").glob("*.json"))
    assert documents
    for path in documents:
        assert not re.search(r'"(/|~|[A-Za-z]:\\\\)', path.read_text(encoding="utf-8")), path.name


def test_scripts_parse_and_can_run():
    for path in [ROOT / ".ci" / "run", *sorted((ROOT / "scripts").glob("*.sh"))]:
        subprocess.run(["bash", "-n", str(path)], check=True)
        assert os.access(path, os.X_OK), f"{path.name} is not executable"
        assert "set -euo pipefail" in path.read_text(encoding="utf-8")


def test_hooks_are_the_checks_of_lint_and_download_nothing():
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(OmegaConf.load(ROOT / ".pre-commit-config.yaml"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    checks = ("ruff", "format", "types", "imports", "links")
    assert [hook["entry"] for hook in hooks] == [f"scripts/lint.sh {check}" for check in checks]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built offline from a copy so that nothing is left in the checkout."""
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        # forearm/planner and its like are links of the checkout.
        linked = SHIPPED if name == "forearm" else ()
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", *linked))
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, "--wheel-dir", str(out), str(source)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("forearm-*.whl")
    return path


def test_wheel_holds_all_that_is_not_code_as_well(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in SHIPPED:
        here = {path for glob in HELD for path in (ROOT / folder).rglob(glob) if path.is_file()}
        installed = "" if folder == "forearm" else "forearm/"
        shipped = {installed + path.relative_to(ROOT).as_posix() for path in here}
        assert shipped <= names, f"the wheel lacks {sorted(shipped - names)}"
    for room, kind in (("configs", "yaml"), ("world_model/pretrained", "safetensors"), ("envs/arm/assets", "xml")):
        assert any(name.startswith(f"forearm/{room}/") and name.endswith(f".{kind}") for name in names)
    tops = {name.partition("/")[0] for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert tops == {"forearm"}
    assert any(name.endswith("/LICENSE") for name in names)


def test_wheel_works_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site packages"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    script = "import forearm.cli.main as c; code = c.main(['list']); print(c.__file__); raise SystemExit(code)"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert str(site) in run.stdout.splitlines()[-1], "the checkout was imported, not the wheel"
    for word in ("reach", "push", "cem", "mppi"):
        assert word in run.stdout
    assert not list(elsewhere.iterdir()), "a command that only lists leaves nothing behind"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a fresh environment in which the wheel is installed; what it depends on is lent from here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    # A line of a .pth file lends packages, and not what the .pth files beside them add: not this checkout.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture
def robotics(tmp_path: Path) -> Path:
    """A folder with modules of its own that are called as the rooms are."""
    for name in ("envs", "planner", "world_model", "configs", "forearm_task"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "__init__.py").write_text(f"MINE = '{name}'\n")
    return tmp_path / "mine"


def told(command: list[str], folder: Path) -> str:
    """What a command says that runs in `folder` as a user's would, without this checkout on its path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(
        command, cwd=folder, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_fresh_environment_gets_one_name(installed, robotics):
    script = (
        "import importlib.metadata as m, pathlib; files = m.files('forearm');"
        "print(sorted({f.parts[0] for f in files} - {'..'}))"
    )
    tops = told([str(installed / "python"), "-c", script], robotics)
    assert re.fullmatch(r"\['forearm', 'forearm-[0-9.]+\.dist-info'\]\n", tops)
    assert (installed / "forearm").is_file()


def test_commands_work_where_folders_are_called_as_the_rooms_are(installed, robotics):
    python = str(installed / "python")
    for command in ([str(installed / "forearm")], [python, "-m", "forearm"]):
        listing = told([*command, "list"], robotics)
        assert "reach" in listing and "mppi" in listing
    script = (
        "import envs, planner, forearm, forearm.planner; print(envs.MINE, planner.MINE, forearm.planner.CEM.__name__)"
    )
    assert told([python, "-c", script], robotics) == "envs planner CEM\n"


@pytest.mark.slow
def test_training_is_started_by_torchrun_where_folders_are_called_as_the_rooms_are(installed, robotics):
    collect = ["collect", "task=reach", "episodes=4", "steps=20", "out=data", "workers=1"]
    told([str(installed / "forearm"), *collect], robotics)
    train = [
        "train",
        "task=reach",
        "data=data",
        "out=model",
        "world_model.train.steps=2",
        "world_model.train.batch=16",
        "world_model.loss.rollout=2",
        "world_model.train.validation=0.5",
    ]
    told(
        [
            str(installed / "python"),
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node=2",
            "-m",
            "forearm",
            *train,
        ],
        robotics,
    )
    assert (robotics / "model" / "model.safetensors").is_file()


def test_what_the_wheel_asks_for_is_what_its_tasks_say_that_they_need(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert text.count("mujoco==3.3.0") == 1
    metadata.write_text(text.replace("mujoco==3.3.0", "mujoco==2.1.3"), encoding="utf-8")  # as another release may ask
    script = "from forearm.envs import registry; print(registry.obstacle('metaworld'), registry.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "tasks 'metaworld/...' need mujoco==2.1.3, but mujoco" in run.stdout and str(tmp_path) in run.stdout


@pytest.mark.slow
def test_an_installed_forearm_compares(installed, robotics):
    compare = [
        "compare",
        "task=reach",
        "planner=cem",
        "episodes=1",
        "baselines=[hold]",
        "films=0",
        "workers=1",
        "out=results",
    ]
    assert "hold" in told([str(installed / "forearm"), *compare], robotics)
    assert (robotics / "results" / "results.json").is_file()
