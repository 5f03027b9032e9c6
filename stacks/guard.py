"""Holds a stack against the rules while it is synthesized, so that what breaks one is never written."""

import cdktf
import constructs
import jsii

from stacks import rules
from stacks.environments import Environment


@jsii.implements(constructs.IValidation)
class Guard:
    """A validation of a whole stack: rules such as "a queue has dead letters" speak of two resources."""

    def __init__(self, stack: cdktf.TerraformStack, environment: Environment) -> None:
        self._stack, self._environment = stack, environment

    def validate(self) -> list[str]:
        """What is wrong with the stack, a line for each resource."""
        resources: rules.Resources = self._stack.to_terraform().get("resource", {})
        return [str(each) for each in rules.problems(resources, protected=self._environment.protected)]


def guard(stack: cdktf.TerraformStack, environment: Environment) -> None:
    """Let the stack be synthesized only if it breaks no rule."""
    stack.node.add_validation(Guard(stack, environment))
