"""Rate budgets: no request leaves before its venue would let it in, and whoever waits goes in fair turn."""
