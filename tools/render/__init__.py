"""From figures to pages: docs/data holds what was measured, templates say it, and every page is written here.

    python -m tools.render            # writes docs/benchmarks.md, docs/reliability.md and docs/results.md
    python -m tools.render --check    # says which of them is not what docs/data and the templates make of it

`figures` reads and writes docs/data, `pages` renders; prose and tables are in `templates`. Nothing is measured here.
"""
