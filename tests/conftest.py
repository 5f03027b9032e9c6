"""What holds for every test: loopback only, nobody's AWS account, examples that repeat, no silent skips."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")

# Slow examples and slow generation say something of the machine, not of the code: neither may fail a test.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, max_examples=200)


class OutsideLoopback(RuntimeError):
    """A test reached for a machine that is not this one. Not an OSError, so no retry or fallback hides it."""


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook (PEP 578) that lets sockets and look-ups go no further than this machine.

    It sees every socket of the process whatever library opens it, and processes that the tests start not
    at all: those are given loopback addresses by the tests that start them.
    """
    match event:
        case "socket.connect" | "socket.sendto":
            address = arguments[1]
            if not isinstance(address, tuple) or _is_here(address[0]):
                return  # a path (AF_UNIX) or loopback
        case "socket.getaddrinfo" | "socket.gethostbyname":
            address = arguments[0]
            if address is None or _is_literal(address) or _is_here(address):
                return
        case _:
            return
    raise OutsideLoopback(f"{event} to {address!r}: tests talk to 127.0.0.1, ::1 and localhost only")


def _is_here(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in ("", "localhost"):
        return True
    return _is_literal(name) and ipaddress.ip_address(name.partition("%")[0]).is_loopback


def _is_literal(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def pytest_configure(config: pytest.Config) -> None:
    in_ci = bool(os.environ.get("CI"))
    settings.load_profile("ci" if in_ci else "dev")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    sys.addaudithook(_refuse_outside)
    if in_ci:
        config.pluginmanager.register(NoSilentSkips(set(read_allowed_skips(ALLOWED_SKIPS))))


def read_allowed_skips(path: Path) -> Iterator[str]:
    """The test ids that CI may skip. A line is ``id  # reason``; other lines are comments or empty.

    Raises:
        ValueError: a line without a reason.
    """
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            test, _, reason = line.partition("  # ")
            if not reason.strip():
                raise ValueError(f"{path.name}:{number}: write why {test!r} may be skipped: 'id  # reason'")
            yield test.strip()


class NoSilentSkips:
    """Fails a run in which a test was skipped that `allowed` does not name: green must mean that it ran."""

    def __init__(self, allowed: set[str]) -> None:
        self._allowed = allowed
        self._refused: list[str] = []

    def _see(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        expected_failure = hasattr(report, "wasxfail")
        if report.skipped and not expected_failure and report.nodeid not in self._allowed:
            self._refused.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._see(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._see(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # Any other ending (failures, no tests, an interrupt) fails the run already and stays as it is.
        if self._refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._refused:
            terminalreporter.section("skipped, and CI must run them", red=True)
            for test in self._refused:
                terminalreporter.line(f"{test}: let it run, or say in {ALLOWED_SKIPS.name} why not")
