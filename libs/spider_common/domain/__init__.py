"""The domain: pure values and functions. No clock, no randomness, no I/O; those enter as arguments."""
