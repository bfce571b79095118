"""What is drawn, and where: spaces of actions, noise, knots, and arrays of both libraries."""
