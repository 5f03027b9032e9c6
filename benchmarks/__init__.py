"""CPU per call of our clients beside what one would use instead: `python -m benchmarks`.

A suite is a module named `*_calls` here with `run() -> Sequence[Figure]`; `sockets` reads what has nothing
to be compared with.
"""
