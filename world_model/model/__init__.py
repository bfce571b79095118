"""The network: frames to latents, and latents with actions to the latents that follow."""
