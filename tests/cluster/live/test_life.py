"""One system on a real cluster: compare, deploy, deploy again, use, drift, rotate, destroy, come back, be gone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import yaml

from sumflow.sums.event import LaneEncoder
from tests.cluster.live.system import System

WHEN = "2026-01-02T03:04:05.678901Z"
KINDS = "deployments,statefulsets,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims"


@pytest.fixture(scope="module")
def deployed(empty: System) -> System:
    """Return the cluster with the profile `dev` on it, compared before and deployed now."""
    before = empty.diff()
    assert before.code == 1, before.err
    assert "+ Kafka sumflow-kafka/sumflow-kafka" in before.out
    done = empty.deploy()
    assert done.code == 0, done.out + done.err
    return empty


def _versions(cluster: System) -> dict[str, tuple[Any, Any]]:
    found = [*cluster.get(KINDS, "-A"), *cluster.get("kafkas,kafkanodepools,kafkatopics", "-A")]
    ours = [each for each in found if each["metadata"]["namespace"].startswith("sumflow")]
    return {
        f"{each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}": (
            each["metadata"].get("generation"),
            each.get("data"),
        )
        for each in ours
    }


def test_every_stage_is_told_and_awaited(deployed: System) -> None:
    """A deployment that is through says of each part that it is ready."""
    seen = deployed.sumflow("status", "--on", "kubernetes", "--json")
    assert seen.code == 0, seen.out
    assert {part["state"] for part in seen.document["parts"]} == {"ready"}


def test_a_second_run_changes_nothing(deployed: System) -> None:
    """Everything is unchanged: no generation moves, no pod is replaced, no password is made anew."""
    before, pods = _versions(deployed), deployed.get("pods", "-n", "sumflow")
    again = deployed.deploy("--json")
    assert again.code == 0, again.err
    assert again.document["changes"]
    assert [change for change in again.document["changes"] if change["answer"] != "unchanged"] == []
    assert _versions(deployed) == before
    assert [each["metadata"]["uid"] for each in deployed.get("pods", "-n", "sumflow")] == [
        each["metadata"]["uid"] for each in pods
    ]


def test_doctor_finds_nothing_in_the_way(deployed: System) -> None:
    """What `deploy` would refuse, `doctor` tells beforehand: nothing here, but an image that nobody has is found."""
    declared = ("--on", "kubernetes", "--profile", "dev", "--strimzi-manifest", str(deployed.strimzi))
    assert deployed.sumflow("doctor", *declared, "--json").document["ok"]
    missing = deployed.sumflow("doctor", *declared, "--image", "sumflow:none")
    assert missing.code == 1
    assert "sumflow:none" in missing.out


def test_no_difference_is_exit_code_0(deployed: System) -> None:
    """`diff` agrees with `deploy`."""
    done = deployed.diff()
    assert done.code == 0, done.out


def test_kubectl_would_change_nothing(deployed: System) -> None:
    """What deploy left is what `kubectl apply` of the same manifests leaves; passwords are the exception, by design."""
    rendered = yaml.safe_load_all(deployed.sumflow("render", "--profile", "dev").out)
    others = [each for each in rendered if each["kind"] != "Secret"]
    given = yaml.safe_dump_all(others)
    assert deployed.kubectl("diff", "--server-side", "--force-conflicts", "-f", "-", given=given) == ""


def test_the_checklist_passes(deployed: System) -> None:
    """Every line of the specification's checklist, from inside the cluster."""
    done = deployed.sumflow("verify", "--on", "kubernetes", "--json")
    failed = [check for check in done.document["checks"] if check["result"] == "failed"]
    assert failed == []
    assert done.code == 0


def test_numbers_go_in_and_the_total_comes_out(deployed: System) -> None:
    """add and total find the services through a port-forward of their own."""
    before = int(deployed.sumflow("total", "--on", "kubernetes").out)
    done = deployed.sumflow("add", "20", "22", "--on", "kubernetes", "--json")
    assert (done.document["sum"], done.document["total"]) == (42, before + 42)


def test_the_audit_is_clean(deployed: System) -> None:
    """Both databases agree by lanes, and by events with each other and with the topic, which is read in a pod."""
    assert deployed.sumflow("audit", "--on", "kubernetes", "--json").document["clean"]
    deep = deployed.sumflow("audit", "--deep", "--on", "kubernetes", "--json").document
    assert deep["clean"]
    assert deep["events"]["outbox_events"] == deep["accepted"] == deep["counted"] > 0
    assert deep["events"]["topic_records_in_outbox"] == deep["accepted"]
    assert deep["notes"] == []


def test_a_forged_record_is_named_by_its_place(deployed: System) -> None:
    """Somebody writes into the topic what the outbox does not have: the totals stay, and the deep audit finds it."""
    exact = deployed.sumflow("total", "--on", "kubernetes").out
    lane = deployed.psql("adder-postgres", "SELECT lane FROM lanes WHERE last_seq > 0 LIMIT 1")
    forged = LaneEncoder(UUID(lane)).encode(1, 7, 7, WHEN, WHEN).decode()
    deployed.produce("sums", f"lane:{lane},seq:1\t{forged}\n")
    deep = deployed.sumflow("audit", "--deep", "--on", "kubernetes", "--json")
    assert deep.code == 1
    assert f"{lane}:1" in [each["subject"] for each in deep.document["findings"]]
    assert deployed.sumflow("total", "--on", "kubernetes").out == exact


def test_no_placeholder_is_on_the_cluster(deployed: System) -> None:
    """The password that the database opens with is not the one in Git."""
    values = [value for each in deployed.get("secrets", "-n", "sumflow") for value in each["data"].values()]
    assert values
    assert not any("Y2hhbmdlLW1l" in value for value in values)  # "change-me"


def test_a_conflict_is_told_field_by_field(deployed: System) -> None:
    """Another manager's value is neither overwritten nor passed over, until it is asked for."""
    deployed.kubectl("scale", "deployment/totalizer", "-n", "sumflow", "--replicas=2")
    refused = deployed.deploy()
    assert refused.code == 1
    assert "spec.replicas is managed by kubectl (through scale)" in refused.err
    differing = deployed.diff()
    assert differing.code == 1
    assert "spec.replicas: 2 -> 1" in differing.out
    assert deployed.deploy("--force-conflicts").code == 0
    assert deployed.diff().code == 0


def test_what_drifted_is_repaired_and_nothing_else(deployed: System) -> None:
    """A deleted Service comes back; everything else is left alone."""
    deployed.kubectl("delete", "service", "totalizer", "-n", "sumflow")
    done = deployed.deploy("--json")
    changed = [change for change in done.document["changes"] if change["answer"] != "unchanged"]
    assert [(each["object"], each["answer"]) for each in changed] == [("service/totalizer", "created")]


def test_settings_that_were_put_right_reach_the_pods(deployed: System) -> None:
    """Pods that started with other settings would go on with them, and the deployment would wait for them in vain."""
    wrong = '{"data": {"KAFKA_TOPIC": "another"}}'
    deployed.kubectl("patch", "configmap", "adder-config", "-n", "sumflow", "--type=merge", "-p", wrong)
    deployed.kubectl("delete", "pod", "-n", "sumflow", "-l", "app=adder")
    done = deployed.deploy("--force-conflicts")
    assert done.code == 0, done.out + done.err
    assert deployed.sumflow("add", "1", "2", "--on", "kubernetes", "--json").document["sum"] == 3
    assert deployed.diff().code == 0


def test_a_service_that_was_stopped_is_told_and_comes_back(deployed: System) -> None:
    """0 of 0 is complete for Kubernetes; `status` says what it is, and its remedy brings the service back."""
    deployed.kubectl("scale", "deployment/totalizer", "-n", "sumflow", "--replicas=0")
    told = deployed.sumflow("status", "--on", "kubernetes")
    assert told.code == 1
    assert "Deployment sumflow/totalizer is scaled to 0" in told.out
    assert "`sumflow deploy --force-conflicts`" in told.out
    assert deployed.deploy("--force-conflicts").code == 0
    assert deployed.sumflow("status", "--on", "kubernetes").code == 0


def test_another_profile_is_refused(deployed: System) -> None:
    """The same operator serves `kraft`, but brokers, copies and volumes of `dev` cannot become its; nothing changes."""
    refused = replace(deployed, profile="kraft").deploy()
    assert refused.code == 1
    assert "the profile dev is deployed, this is kraft" in refused.err
    assert deployed.diff().code == 0


def test_passwords_rotate_without_losing_a_sum(deployed: System) -> None:
    """Database, Secret and pods get another password; total and sums go on, and a deployment sees no difference."""
    before = deployed.get("secrets", "-n", "sumflow")
    total = int(deployed.sumflow("total", "--on", "kubernetes").out)
    done = deployed.sumflow("secrets", "rotate")
    assert done.code == 0, done.out + done.err
    after = deployed.get("secrets", "-n", "sumflow")
    assert all(
        a["data"]["POSTGRES_PASSWORD"] != b["data"]["POSTGRES_PASSWORD"] for a, b in zip(before, after, strict=True)
    )
    added = deployed.sumflow("add", "1", "2", "--on", "kubernetes", "--json")
    assert added.document["total"] == total + 3, added.err
    assert deployed.diff().code == 0


def test_destroyed_and_deployed_again_the_total_is_the_same(deployed: System) -> None:
    """Without --delete-data volumes, passwords and topics stay, and the next deployment goes on from there."""
    total = deployed.sumflow("total", "--on", "kubernetes").out
    gone = deployed.destroy()
    assert gone.code == 0, gone.out + gone.err
    assert deployed.get("pods", "-n", "sumflow") == []
    assert len(deployed.get("persistentvolumeclaims", "-n", "sumflow")) == 2
    back = deployed.deploy()
    assert back.code == 0, back.out + back.err
    assert deployed.sumflow("total", "--on", "kubernetes").out == total
    added = deployed.sumflow("add", "1", "1", "--on", "kubernetes", "--json")
    assert added.document["total"] == int(total) + 2


def test_destroyed_with_its_data_nothing_is_left(deployed: System) -> None:
    """No namespace, no definition, no role, no volume; what others have is untouched."""
    deployed.kubectl("create", "clusterrole", "bystander", "--verb=get", "--resource=pods")
    done = deployed.destroy("--delete-data")
    assert done.code == 0, done.out + done.err
    names = [each["metadata"]["name"] for each in deployed.get("namespaces")]
    assert [name for name in names if name.startswith("sumflow")] == []
    assert deployed.get("crd", "-l", "app=strimzi") == []
    roles = [each["metadata"]["name"] for each in deployed.get("clusterroles,clusterrolebindings")]
    assert [name for name in roles if "strimzi" in name or "sumflow" in name] == []
    assert "bystander" in roles
    deployed.kubectl("delete", "clusterrole", "bystander")
    assert _volumes_in_time(deployed) == []


def _volumes_in_time(cluster: System) -> list[str]:
    """Return the volumes that are left; their provisioner removes them a moment after their claims."""
    names: list[str] = []
    for _ in range(100):
        volumes = [each for each in cluster.get("persistentvolumes") if "claimRef" in each["spec"]]
        names = [
            str(e["metadata"]["name"]) for e in volumes if e["spec"]["claimRef"]["namespace"].startswith("sumflow")
        ]
        if not names:
            break
        time.sleep(0.2)
    return names
