"""Curves in time, and motions within limits."""
