"""docs/one-machine.md says what the code does, value by value."""

from __future__ import annotations

from sumflow import topology
from sumflow.local import datadir, kafka, plan, ports, process
from tests.house.test_budgets import ROOT

PAGE = (ROOT / "docs" / "one-machine.md").read_text()


def test_every_added_setting_is_on_the_page() -> None:
    """Each line of the tables of local settings stands on the page, with value and reason, and no other does."""
    tables = (*kafka.LOCAL_ONLY, *kafka.SEVERAL_BROKERS, *kafka.ZOOKEEPER_LOCAL_ONLY)
    for key, value, reason in tables:
        assert f"| `{key}` | `{value}` | {reason} |" in PAGE
    after = PAGE.partition("## What one machine adds")[2].partition("## What it costs")[0]
    assert after.count("\n| `") == len(tables)


def test_every_port_of_the_table_is_on_the_page() -> None:
    """The first replicas' ports, and the first of each internal block, stand on the page."""
    listed = PAGE.partition("## Which port is what")[2].partition("## ")[0]
    for profile in ("dev", "spec"):
        for key, port in ports.assign(topology.load(profile)).items():
            if key.partition("/")[0].endswith("-0"):
                assert str(port) in listed, key


def test_the_graces_and_limits_are_those_of_the_code() -> None:
    """Times and sizes that the page names are the code's."""
    graces = [f"{plan.STOP_GRACE_S[stage]:g}" for stage in ("services", "postgres", "kafka", "coordination")]
    assert f"({', '.join(graces[:3])} and {graces[3]} s)" in PAGE
    assert f"beyond {process.LOG_LIMIT >> 20} MiB" in PAGE
    for folder in datadir.FOLDERS:
        assert f"`{folder}/`" in PAGE
