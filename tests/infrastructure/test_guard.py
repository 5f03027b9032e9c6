"""The rules hold where stacks are written, not only where they are tested."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

import cdktf

from stacks.environments import ENVIRONMENTS
from stacks.foundation import Foundation

SYNTHESIS = """
import sys
import stacks.synthesis
print(sum(name.startswith("cdktf_cdktf_provider_aws.") for name in sys.modules))
"""


def test_a_stack_that_breaks_a_rule_is_not_written(tmp_path: Path) -> None:
    """Synthesis fails with the resource and the fix, and leaves no configuration behind."""
    from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue

    app = cdktf.App(outdir=str(tmp_path))
    stack = Foundation(app, environment=ENVIRONMENTS["dev"], variables={})
    SqsQueue(stack, "orders", name="orders")
    with pytest.raises(RuntimeError) as refused:
        app.synth()
    for said in ("aws_sqs_queue.orders: set kms_master_key_id", "aws_sqs_queue.orders: set redrive_policy"):
        assert said in str(refused.value)
    assert list(tmp_path.rglob("cdk.tf.json")) == []


def test_only_what_is_used_of_the_provider_is_loaded() -> None:
    """A tenth of its 2,135 modules at most: this is what makes a synthesis a matter of seconds."""
    loaded = subprocess.run([sys.executable, "-c", SYNTHESIS], capture_output=True, text=True, check=True)
    assert 20 < int(loaded.stdout) < 300
    assert loaded.stderr == ""  # an unpinned node, or a deprecated one, says so here
