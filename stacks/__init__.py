"""The AWS infrastructure, as stacks of CDKTF."""

from stacks import bindings as bindings
