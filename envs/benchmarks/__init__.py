"""Benchmarks that others wrote, behind the same contract."""
