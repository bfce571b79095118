"""What may be otherwise than in training: light, colours, the camera, what lies about, how frames arrive, and physics."""
