"""BingX as its documentation describes it: USDT linear swaps, REST and the private socket."""
