"""The contract of `stacks.handover`, written by one stack and read by the other."""

import cdktf
import msgspec
from constructs import Construct

from stacks.environments import Environment
from stacks.handover import Handover, outputs


def hand_over(stack: cdktf.TerraformStack, handover: Handover, *, environment: Environment) -> None:
    """Write each field as an output of the stack."""
    scope = Construct(stack, "outputs")  # a variable of the stack may have the same name
    for each in outputs(environment):
        value = getattr(handover, each.name)
        cdktf.TerraformOutput(
            scope,
            each.name,
            value=dict(value) if each.keys else value,
            description=each.says,
            static_id=True,
        )


def take_over(state: cdktf.TerraformRemoteState, *, environment: Environment) -> Handover:
    """The fields as references into another stack's state, each text by itself."""
    # a key is an attribute rather than a quoted index, whose quotes would end a text of JSON that holds it
    values = {
        each.name: (
            {key: state.get_string(f"{each.name}.{key}") for key in each.keys}
            if each.keys
            else state.get_string(each.name)
        )
        for each in outputs(environment)
    }
    return msgspec.convert(values, Handover)
