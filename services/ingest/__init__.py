"""The ingest service: one private session per account, and REST for what the sockets do not tell.

`sessions` keeps the sockets, `sweep` asks REST after each connect and on a timer, `publish` makes
messages of what either told. The same fact gets the same id on both ways.
"""
