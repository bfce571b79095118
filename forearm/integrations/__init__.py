"""Other projects' interfaces: LeRobot's policies, ROS 2's trajectories."""
