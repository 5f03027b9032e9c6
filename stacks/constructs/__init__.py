"""The parts that stacks are made of, each named for what it is in AWS's words."""

from stacks import bindings as bindings  # before any of the provider's modules
