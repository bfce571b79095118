"""The top-level folders of a checkout are installed inside `forearm`, so that the wheel owns one name alone."""

from setuptools import find_packages, setup

ROOMS = ("planner", "world_model", "envs", "configs")

packages = [
    name for name in find_packages(include=["forearm", "forearm.*"]) if name.split(".")[1:2] not in [[r] for r in ROOMS]
]
for room in ROOMS:
    packages += [f"forearm.{name}" for name in (room, *(f"{room}.{inner}" for inner in find_packages(room)))]

setup(packages=packages, package_dir={f"forearm.{room}": room for room in ROOMS})
