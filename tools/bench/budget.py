"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How much is measured. `quick` takes about two minutes."""

    rounds: int
    problems: int
    tuning: int
    threads: tuple[int, ...]
    horizons: tuple[int, ...]
    quality_threads: tuple[int, ...] = (1,)
    peer_samples: int = 300
    peer_iterations: int = 10
    push_problems: int = 50
    contenders: int = 1  # planners of ours whose time to quality is measured in full
    goals: tuple[bool, ...] = (True, False)  # by smooth commands, or by white ones
    curve_budgets: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10000)
    curve_problems: int = 20
    oracle_budgets: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10000)
    oracle_problems: int = 4
    deadline_plans: int = 500
    lewm_iterations: int = 30
    lewm_rounds: int = 3
    training_rounds: int = 11
    training_steps: int = 10
    surprise_clips: int = 200
    pareto_episodes: int = 60
    pareto_more: int = 300  # of the planners that are compared in earnest
    minutes_longest: float = 24.0  # learning that is measured
    minutes_episodes: int = 100  # of each seed
    scale_rounds: int = 3
    scale_jobs: int = 12  # that are timed of each run
    scale_serve_s: float = 10.0
    scale_episodes: int = 1_000_000  # of the larger data set


FULL = Budget(rounds=21, problems=50, tuning=8, threads=(1, 2), horizons=(5, 15))
QUICK = Budget(
    rounds=7,
    problems=3,
    tuning=1,
    threads=(1,),
    horizons=(5,),
    push_problems=1,
    goals=(True,),
    curve_budgets=(10, 100, 1000),
    curve_problems=2,
    oracle_budgets=(10, 100),
    oracle_problems=1,
    deadline_plans=5,
    lewm_iterations=1,
    lewm_rounds=1,
    training_rounds=2,
    training_steps=3,
    minutes_longest=0.5,
    minutes_episodes=1,
    surprise_clips=2,
    pareto_episodes=1,
    pareto_more=1,
    scale_rounds=1,
    scale_jobs=4,
    scale_serve_s=2.0,
    scale_episodes=2_000,
)
