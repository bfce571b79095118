"""Collecting episodes as data to learn from."""
