"""Proof under load and faults: a simulated arm and a server are treated badly, and what happened is written down."""
