"""Adapters for arms of one's own, chosen by a config."""
