"""What is normal for a checkpoint: what frames look like, how near to a goal is there, and what surprises."""
