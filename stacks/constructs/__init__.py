"""The parts that stacks are made of, each named for what it is in AWS's words."""
