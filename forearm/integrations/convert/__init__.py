"""Recordings as laboratories have them, made LeRobotDataset v3 folders: one module a format."""
