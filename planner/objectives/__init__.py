"""What a search makes small: distances, costs of commands, sums over the horizon, and doubt of strange latents."""
