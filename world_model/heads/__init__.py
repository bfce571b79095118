"""What is learned on frozen latents: a prior over actions, distances to goals, slow features."""
