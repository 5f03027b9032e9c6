"""Bitget v2 (classic account, USDT swaps) as a dialect of a simulated venue.

Facts are from Bitget's API documentation, https://www.bitget.com/api-doc/.
"""
