"""A trained model in use: checkpoints, rollouts for planners, and the memory of frames."""
