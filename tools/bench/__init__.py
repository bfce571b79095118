"""The benchmark: how long planning takes, beside other projects' planners and beside the bare arithmetic.

    make bench                        # everything, writes docs/data/benchmarks/*.json and docs/benchmarks.md
    make bench BENCH_ARGS=--quick     # the same tables from less, in about two minutes

`cases` says what is planned, `runners` and `peers` who plans it, `timing` and `bootstrap` how it is measured; each
section is a module of its own (`overhead`, `quality`, `curves`, `scaling`, `lewm`, …), which returns figures.
"""
