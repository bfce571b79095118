"""Training a world model: losses, steps, and what it is worth afterwards."""
