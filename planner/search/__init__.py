"""The search that all planners share: the loop, its settings, what it remembers, and its deadline."""
