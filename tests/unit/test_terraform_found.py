"""Terraform is found where machines keep it, and what it cannot get is said."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import trio

from services.local import terraform
from services.local.terraform import NoTerraform, Terraform, TerraformFailed, find_mirror, mirrored, prepare

NO_PROVIDER = "Error: Failed to query available provider packages"


def stand_in(place: Path, script: str) -> None:
    """A program of the name `terraform`, before all others on PATH."""
    program = place / "terraform"
    program.write_text(f"#!{sys.executable}\nimport os, sys\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(("deep", "found"), [("", True), ("plugins", True), ("a/b", False)])
def test_a_mirror_is_found_one_or_two_levels_down(tmp_path, deep, found):
    """A directory is a mirror if it holds one that is named for the registry."""
    (tmp_path / deep / terraform.REGISTRY).mkdir(parents=True)
    assert find_mirror([tmp_path / "absent", tmp_path]) == (tmp_path / deep if found else None)


async def test_terraform_is_left_alone_where_it_gets_its_providers(tmp_path, monkeypatch):
    """Its own configuration stands, and nothing is written."""
    stand_in(tmp_path, "print('ready')")
    monkeypatch.setenv("PATH", str(tmp_path))
    ready = await prepare(tmp_path, scratch=tmp_path / "scratch", environment={"PATH": str(tmp_path)})
    assert terraform.CONFIGURATION not in ready.environment
    assert not (tmp_path / "scratch").exists()


async def test_a_mirror_is_used_where_terraform_gets_no_provider(tmp_path, monkeypatch):
    """It is written into a configuration of its own, in the directory that is given."""
    stand_in(
        tmp_path,
        f"told = os.environ.get('{terraform.CONFIGURATION}')\nsys.exit(0 if told else '{NO_PROVIDER}')",
    )
    (tmp_path / "mirror" / terraform.REGISTRY).mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(terraform, "MIRRORS", (tmp_path,))
    ready = await prepare(tmp_path, scratch=tmp_path / "scratch", environment={"PATH": str(tmp_path)})
    written = Path(ready.environment[terraform.CONFIGURATION])
    assert written.parent == tmp_path / "scratch"
    assert await trio.Path(written).read_text() == mirrored(tmp_path / "mirror")


async def test_without_provider_and_mirror_one_is_told_where_it_was_looked_for(tmp_path, monkeypatch):
    """Neither the registry nor a mirror: the error names both."""
    stand_in(tmp_path, f"sys.exit('{NO_PROVIDER}')")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(terraform, "MIRRORS", (tmp_path / "nowhere",))
    with pytest.raises(NoTerraform, match=f"no {terraform.REGISTRY} below .*nowhere"):
        await prepare(tmp_path, scratch=tmp_path, environment={})


async def test_without_terraform_one_is_told_how_to_get_it(tmp_path, monkeypatch):
    """Neither the program nor the library: the error names the target that brings the library."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(terraform, "find_spec", lambda _: None)
    with pytest.raises(NoTerraform, match="run `make synth` once"):
        await prepare(tmp_path, scratch=tmp_path, environment={})


async def test_a_configuration_that_is_wrong_is_not_taken_for_a_missing_provider(tmp_path, monkeypatch):
    """What Terraform says of it is passed on."""
    stand_in(tmp_path, "sys.exit('Error: Argument definition required')")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerraformFailed, match="Argument definition required"):
        await prepare(tmp_path, scratch=tmp_path, environment={})


async def test_an_answer_is_what_terraform_put_out_and_its_code(tmp_path):
    """Complaints are told beside the output, never in it."""
    stand_in(tmp_path, "print(os.environ['TF_VAR_a']); sys.stderr.write('careful'); sys.exit(2)")
    there = Terraform(command=(str(tmp_path / "terraform"),), environment=dict(os.environ))
    answer = await there.ask(tmp_path, "plan", variables={"TF_VAR_a": "b"})
    assert (answer.code, answer.output, answer.said) == (2, "b\n", "b\ncareful")
    with pytest.raises(TerraformFailed, match="terraform plan: b"):
        await there.run(tmp_path, "plan", variables={"TF_VAR_a": "b"})
