"""Whether the world does what the model expects of it: prediction errors, how rare they are, and alarms."""
