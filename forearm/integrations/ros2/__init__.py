"""ROS 2 without ROS: its messages on the wire (DDS), and recordings that its tools open (MCAP)."""
