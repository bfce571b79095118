"""Learning: from nothing to a measured world model within so many minutes, and on from there.

Films come first and beside the training, then heads where the task plans with them, then episodes that nobody trained
on. What came of it is a curve of success against minutes.
"""
