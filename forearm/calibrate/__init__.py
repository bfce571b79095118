"""What frames of a checkpoint look like in normal motion, and how near to a goal is there."""
