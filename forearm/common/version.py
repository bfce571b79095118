"""Which forearm this is, said once: pyproject.toml reads it here."""

VERSION = "0.1.0"
