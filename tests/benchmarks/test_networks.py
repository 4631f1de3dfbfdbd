"""What networks a benchmark is about."""

from benchmarks.networks import Case, Steps

STEPS = Steps(Case("micro", 2, 8, image_shape=(8, 8, 1)), architectures=3, seed=5, steps=10, batch_size=16, turns=2)


def test_what_is_sampled_depends_on_the_seed_alone():
    assert len(STEPS.sampled()) == 3
    assert STEPS.sampled() == STEPS.case.architectures(3, seed=5)
    assert STEPS.sampled() != STEPS.case.architectures(3, seed=6)
    assert len(STEPS.sampled(further=1)) == 4


def test_the_title_says_what_was_measured():
    assert str(STEPS) == "micro 2 blocks N = 2, C = 8, 8×8×1, batch 16"
