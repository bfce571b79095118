"""The planners: how each draws candidates, and what it learns from their costs."""
