"""A model of a machine with as many cores as workers, and one process that hands out jobs and takes results."""


def rate(workers: int, alone: float, driver: float) -> float:
    """Jobs a second, of workers of which one alone does `alone`, and a driver that spends `driver` s on each job.

    Workers think, and then wait in line for the driver: a closed queueing network of one server, solved exactly by
    mean value analysis (Reiser and Lavenberg, JACM 1980). It supposes that cores do not slow one another down.
    """
    thinking = max(1 / alone - driver, 0.0)
    found, waiting = 0.0, 0.0
    for present in range(1, workers + 1):
        answered = driver * (1 + waiting)
        found = present / (thinking + answered)
        waiting = found * answered
    return found
