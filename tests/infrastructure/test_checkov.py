"""What checkov finds in the stacks is mended, or accepted here with the reason."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ALONE = Path(__file__).parents[2] / ".venv/checkov/bin"
ACCEPTED = {
    (
        "CKV_AWS_252",
        "trail_",
    ): "its log group tells at once what a file tells later",
    ("CKV_AWS_338", "audit-trail_logs_"): "a copy to search in; the files are kept as long as the table says",
    ("CKV_AWS_338", "flows_logs_"): "the table says how long logs are kept, and what that costs",
    ("CKV_AWS_28", "table-"): "outside prod tables are restored from the scheduled backups",
    ("CKV_AWS_260", "doors_alb-from-world-80_"): "port 80 answers with a redirect to 443 and nothing else",
    ("CKV_AWS_18", "trail_kept_bucket_"): "the log of the audit's bucket would need a log of its own",
    ("CKV2_AWS_62", "trail_kept_bucket_"): "nothing acts on a file of the trail",
    (
        "CKV_AWS_144",
        "trail_kept_bucket_",
    ): "the trail is of all regions, and locked where it is",
    (
        "CKV_AWS_18",
        "access-logs_bucket_",
    ): "a log of who reads the logs would need one itself",
    ("CKV2_AWS_62", "access-logs_bucket_"): "nothing acts on a file of access logs",
    ("CKV_AWS_144", "access-logs_bucket_"): "access logs may be lost with their region",
    ("CKV_AWS_145", "access-logs_bucket_"): "a load balancer can write with S3's own keys only",
    ("CKV2_AWS_57", "redis_secret_"): "turned by the rotation that is deployed with the services",
    ("CKV2_AWS_5", "doors_"): "worn by what the services stack makes, or by endpoints that dev has not",
    ("CKV_AWS_338", "dashboard-logs_"): "the table says how long logs are kept",
    ("CKV_AWS_338", "firewall_logs_"): "the table says how long logs are kept",
    ("CKV_AWS_338", "ingest-logs_"): "the table says how long logs are kept",
    ("CKV_AWS_338", "oms-logs_"): "the table says how long logs are kept",
    ("CKV_AWS_338", "rotation_logs_"): "the table says how long logs are kept",
    ("CKV_AWS_272", "rotation_function_"): "who may deploy it could sign it too; Lambda checks its hash",
    ("CKV_AWS_338", "shells-logs_"): "the table says how long logs are kept",
    ("CKV_AWS_150", "balancer_"): "outside prod an environment can be taken down by one command",
    ("CKV_AWS_378", "balancer_"): "TLS ends at the balancer; behind it are private subnets, group to group",
    ("CKV2_AWS_50", "cache_cluster_"): "dev has one node: a cache that may be lost",
}

pytestmark = pytest.mark.scan


@pytest.fixture(scope="module")
def found(files: Mapping[str, Path]) -> Mapping[str, dict[str, Any]]:
    """Stack -> checkov's results."""
    checkov = shutil.which("checkov", path=f"{ALONE}{os.pathsep}{os.environ['PATH']}")
    assert checkov is not None, "checkov is not here: `make scan` installs it and runs this"
    results = {}
    for stack, file in files.items():
        run = subprocess.run(
            [checkov, "--skip-download", "--quiet", "--compact", "--framework", "terraform_json",
             "--file", str(file), "--output", "json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        results[stack] = json.loads(run.stdout)
    return results


def reason(check: Mapping[str, Any]) -> tuple[str, str] | None:
    """The accepted finding that this one is."""
    resource = check["resource"].rpartition(".")[2]
    matching = (each for each in ACCEPTED if each[0] == check["check_id"] and resource.startswith(each[1]))
    return next(matching, None)


@pytest.mark.parametrize(("stack", "ran"), [("foundation", 250), ("services", 70)])
def test_nothing_is_found_that_is_not_accepted(
    found: Mapping[str, dict[str, Any]], stack: str, ran: int, name: str
) -> None:
    """Enough checks ran on each stack, all could read it, and each that failed has its reason."""
    failed = found[f"{stack}-{name}"]["results"]["failed_checks"]
    summary = found[f"{stack}-{name}"]["summary"]
    assert [(each["check_id"], each["resource"]) for each in failed if reason(each) is None] == []
    assert summary["passed"] + summary["failed"] > ran
    assert summary["parsing_errors"] == 0


def test_nothing_is_accepted_that_is_not_found(found: Mapping[str, dict[str, Any]]) -> None:
    """A reason that no finding needs any more goes."""
    needed = {reason(each) for results in found.values() for each in results["results"]["failed_checks"]}
    assert set(ACCEPTED) - needed == set()
