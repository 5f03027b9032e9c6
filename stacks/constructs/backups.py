"""Scheduled backups, kept where nobody deletes them by mistake."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.backup_plan import BackupPlan, BackupPlanRule, BackupPlanRuleLifecycle
from cdktf_cdktf_provider_aws.backup_selection import BackupSelection
from cdktf_cdktf_provider_aws.backup_vault import BackupVault
from cdktf_cdktf_provider_aws.backup_vault_lock_configuration import BackupVaultLockConfiguration
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from stacks.environments import BACKUP_STARTS_WITHIN_MINUTES, Environment
from stacks.policies import assumed_by

_MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"


def schedule(minutes: int) -> str:
    """When to back up, in UTC, so that two backups are `minutes` apart: whole hours that divide a day.

    >>> schedule(1_440), schedule(360)
    ('cron(0 2 * * ? *)', 'cron(0 0/6 * * ? *)')
    """
    hours = minutes // 60
    return "cron(0 2 * * ? *)" if hours == 24 else f"cron(0 0/{hours} * * ? *)"


class Backups(Construct):
    """A vault and a plan that backs up `stores` (ARNs) as often as the environment's RPO asks."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        stores: list[str],
        key: str,
    ) -> None:
        super().__init__(scope, name)
        vault = BackupVault(
            self,
            "vault",
            name=environment.named(name),
            kms_key_arn=key,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        if environment.protected:
            # without changeable_for_days: an administrator who is meant to can still lift it
            BackupVaultLockConfiguration(self, "lock", backup_vault_name=vault.name, min_retention_days=7)
        plan = BackupPlan(
            self,
            "plan",
            name=environment.named(name),
            rule=[
                BackupPlanRule(
                    rule_name="scheduled",
                    target_vault_name=vault.name,
                    schedule=schedule(environment.backup_minutes),
                    start_window=BACKUP_STARTS_WITHIN_MINUTES,
                    completion_window=180,
                    lifecycle=BackupPlanRuleLifecycle(delete_after=environment.backup_days),
                )
            ],
        )
        role = IamRole(
            self,
            "role",
            name=environment.named(name),
            description="AWS Backup copies the tables and restores them",
            assume_role_policy=assumed_by("backup.amazonaws.com", account=account),
        )
        for task in ("Backup", "Restores"):
            IamRolePolicyAttachment(self, task.lower(), role=role.name, policy_arn=_MANAGED + task)
        BackupSelection(
            self,
            "stores",
            name=environment.named("stores"),
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=stores,
        )
        self.vault: str = vault.name
