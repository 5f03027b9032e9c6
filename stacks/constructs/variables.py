"""What whoever applies a stack has to say."""

import cdktf
from constructs import Construct


def variable(
    stack: Construct,
    name: str,
    *,
    says: str,
    condition: str,
    default: str | None = None,
    sensitive: bool = False,
) -> str:
    """A text that Terraform asks for, refused with what it should be unless the condition holds."""
    asked = cdktf.TerraformVariable(
        stack,
        name,
        type="string",
        description=says,
        default=default,
        nullable=False,
        sensitive=sensitive or None,
        validation=[
            cdktf.TerraformVariableValidationConfig(
                condition=f"${{{condition}}}", error_message=f"Set {name}: {says}."
            )
        ],
    )
    value: str = asked.string_value
    return value
