"""Bitget v2, the classic account: USDT-margined swaps."""
