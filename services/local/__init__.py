"""The whole system on one machine: as processes (`up`, `demo`), and in one process (the simulation)."""
