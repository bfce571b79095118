"""A task, a planner and a checkpoint, put together into something that plans and acts."""
