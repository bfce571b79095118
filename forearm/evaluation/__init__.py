"""Closed-loop episodes, comparisons of planners, and their statistics."""
