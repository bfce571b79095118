"""Why does a world model not plan? Evidence, and one verdict.

The same planner is run in five cells: on true dynamics led by true positions, by a probe of positions and by the
task's own latent cost, and on learned dynamics led by the latter two. What is lost from one cell to the next says
where. Beside that: whether any candidate was good when carried out, whether the search chose it, how far ahead the
model ranks, and whether plans come as dear as predicted.

After the split of failures in Zhou et al. (IMWM, arXiv 2606.01626) into candidates and choice, and the ranges of
"Planning Limits of Latent World Models" (arXiv 2609.39235).
"""
