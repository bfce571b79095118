"""What may be otherwise than in training: light, colours, the camera, what lies about, late frames, and physics."""
