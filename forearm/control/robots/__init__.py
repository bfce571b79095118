"""What a robot is: joints, limits, gripper, and what must not touch."""
