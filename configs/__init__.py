"""Defaults of every command, task, planner, world model and protocol, as Hydra configs."""
