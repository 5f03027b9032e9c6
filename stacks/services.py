"""The services stack of an environment: what changes with every release."""

from collections.abc import Mapping
from typing import Final

from cdktf import TerraformStack
from constructs import Construct

from stacks.backends import keep_state, state_of
from stacks.constructs.outputs import take_over
from stacks.constructs.provider import use_aws
from stacks.environments import Environment
from stacks.foundation import FOUNDATION
from stacks.guard import guard
from stacks.handover import Handover

SERVICES: Final = "services"


class Services(TerraformStack):
    """Everything of one environment that stands on its foundation and can be made anew at any time."""

    def __init__(self, scope: Construct, *, environment: Environment, variables: Mapping[str, str]) -> None:
        name = f"{SERVICES}-{environment.name}"
        super().__init__(scope, name)
        guard(self, environment)
        keep_state(self, name, variables)
        self._environment = environment
        state = state_of(self, f"{FOUNDATION}-{environment.name}", variables)
        self._handed: Handover = take_over(state, environment=environment)
        use_aws(self, environment=environment, account=self._handed.account_id, stack=SERVICES)
