from forearm.common.seeds import collection_reset_seed, evaluation_reset_seed, planning_seed


def test_evaluation_is_held_out_from_every_collection() -> None:
    collected = {collection_reset_seed(seed, e) for seed in range(5) for e in range(500)}
    evaluated = {evaluation_reset_seed(seed, e) for seed in range(5) for e in range(500)}
    assert max(collected) < 2**30 <= min(evaluated) < max(evaluated) < 2**31


def test_seeds_differ_by_seed_episode_and_purpose() -> None:
    seen = [f(seed, e) for f in (collection_reset_seed, planning_seed) for seed in range(10) for e in range(50)]
    assert len(set(seen)) == len(seen)
    assert planning_seed(1, 2) == planning_seed(1, 2)
