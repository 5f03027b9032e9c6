"""Who may use the dashboard."""

from typing import Final

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cognito_user_group import CognitoUserGroup
from cdktf_cdktf_provider_aws.cognito_user_pool import (
    CognitoUserPool,
    CognitoUserPoolAccountRecoverySetting,
    CognitoUserPoolAccountRecoverySettingRecoveryMechanism,
    CognitoUserPoolAdminCreateUserConfig,
    CognitoUserPoolPasswordPolicy,
    CognitoUserPoolSoftwareTokenMfaConfiguration,
    CognitoUserPoolUsernameConfiguration,
    CognitoUserPoolUserPoolAddOns,
)
from cdktf_cdktf_provider_aws.cognito_user_pool_client import (
    CognitoUserPoolClient,
    CognitoUserPoolClientTokenValidityUnits,
)
from constructs import Construct

from stacks.environments import Environment

GROUPS: Final = (
    ("Admin", "changes products, clients and who may use the dashboard"),
    ("Operator", "pauses, resumes and works on dead letters"),
    ("Viewer", "looks"),
)


class Users(Construct):
    """A Cognito pool whose users an administrator makes, each with a second factor.

    Attributes:
        pool, client: their ids, as the dashboard's settings name them.
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        pool = CognitoUserPool(
            self,
            "pool",
            name=environment.named(name),
            user_pool_tier="PLUS",  # advanced security is part of this tier only
            mfa_configuration="ON",
            software_token_mfa_configuration=CognitoUserPoolSoftwareTokenMfaConfiguration(enabled=True),
            username_attributes=["email"],
            username_configuration=CognitoUserPoolUsernameConfiguration(case_sensitive=False),
            auto_verified_attributes=["email"],
            admin_create_user_config=CognitoUserPoolAdminCreateUserConfig(allow_admin_create_user_only=True),
            password_policy=CognitoUserPoolPasswordPolicy(
                minimum_length=14,
                password_history_size=5,
                require_lowercase=True,
                require_uppercase=True,
                require_numbers=True,
                require_symbols=True,
                temporary_password_validity_days=1,
            ),
            user_pool_add_ons=CognitoUserPoolUserPoolAddOns(advanced_security_mode="ENFORCED"),
            account_recovery_setting=CognitoUserPoolAccountRecoverySetting(
                recovery_mechanism=[
                    CognitoUserPoolAccountRecoverySettingRecoveryMechanism(name="verified_email", priority=1)
                ]
            ),
            deletion_protection="ACTIVE" if environment.protected else "INACTIVE",
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        for precedence, (group, may) in enumerate(GROUPS, 1):
            CognitoUserGroup(
                self,
                group.lower(),
                name=group,
                description=may,
                precedence=precedence,
                user_pool_id=pool.id,
            )
        client = CognitoUserPoolClient(
            self,
            "client",
            name=environment.named("dashboard"),
            user_pool_id=pool.id,
            generate_secret=False,  # a page in a browser cannot keep one: passwords are proved by SRP
            explicit_auth_flows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            auth_session_validity=3,
            access_token_validity=15,
            id_token_validity=15,
            refresh_token_validity=12,
            token_validity_units=[
                CognitoUserPoolClientTokenValidityUnits(
                    access_token="minutes",  # noqa: S106 - a unit
                    id_token="minutes",  # noqa: S106 - a unit
                    refresh_token="hours",  # noqa: S106 - a unit
                )
            ],
        )
        self.pool: str = pool.id
        self.client: str = client.id
