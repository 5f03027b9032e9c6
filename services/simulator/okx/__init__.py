"""OKX v5 as a dialect of a simulated venue. Facts are from OKX's API documentation (v5, 2026)."""
