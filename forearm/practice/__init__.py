"""Practice: a world model learns from what its own plans do, round after round, and keeps what it gains alone.

A round films the planners, merges what they did with the data, trains the model and its heads on, and measures them on
the same validation episodes. The films of earlier rounds stay among the data, whatever became of those rounds (Ross et
al., "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning", AISTATS 2011).
"""
