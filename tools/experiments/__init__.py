"""Experiments of docs/experiments.md that are more than one command."""
