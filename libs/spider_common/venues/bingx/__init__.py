"""BingX: USDT linear swaps, and the private spot frames."""
