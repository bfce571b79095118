"""The built-in arm: its joints, tasks and skills."""
