"""A world model and its simulator as tools for agents, over the Model Context Protocol (docs/agents.md)."""
