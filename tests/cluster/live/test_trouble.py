"""What goes wrong on real clusters, and what a tired reader is told: object, reason, remedy; no waiting in vain."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import yaml

from tests.cluster.live.system import KUBECONFIG, System
from tests.house.test_budgets import ROOT

NAMESPACES = str(ROOT / "k8s/base/namespace.yaml")


def _edited(tmp_path: Path, file: str, before: str, after: str) -> Path:
    """Return a copy of k8s with one text replaced."""
    root = tmp_path / "k8s"
    shutil.copytree(ROOT / "k8s", root)
    text = (root / file).read_text()
    assert before in text
    (root / file).write_text(text.replace(before, after))
    return root


def test_a_wrong_storage_class_is_found_before_anything_is_created(fresh: System, tmp_path: Path) -> None:
    """Preflight names the class, who asks for it, and what there is; no namespace appears."""
    root = _edited(tmp_path, "infrastructure/kafka-kraft/kafka-cluster.yaml", "class: standard", "class: fast-ssd")
    done = fresh.deploy("--manifests", str(root))
    assert done.code == 1
    assert "there is no storage class `fast-ssd`" in done.err
    assert "in this cluster: standard" in done.err
    assert not [n for n in fresh.get("namespaces") if n["metadata"]["name"] == "sumflow"]


def test_a_missing_image_is_found_before_anything_is_created(fresh: System) -> None:
    """An image that no registry has must be on the nodes."""
    done = fresh.deploy("--image", "sumflow:0.0.0-nowhere")
    assert done.code == 1
    assert "the image sumflow:0.0.0-nowhere is on no registry and not on 3 of 3 nodes" in done.err
    assert "docs/images.md" in done.err


def test_an_image_that_cannot_be_pulled_ends_the_wait(fresh: System, tmp_path: Path) -> None:
    """A registry's image is the nodes' affair: the pull's failure ends the wait with the kubelet's words."""
    root = _edited(
        tmp_path, "infrastructure/postgres/adder-postgres.yaml", "postgres:16-alpine", "postgres:16.99-nowhere"
    )
    done = fresh.deploy("--manifests", str(root), "--timeout", "120", within_s=200)
    assert done.code == 1
    assert "pod sumflow/adder-postgres-0, container postgres" in done.err
    assert "postgres:16.99-nowhere" in done.err
    assert "check that the nodes can pull" in done.err


def test_repaired_it_goes_on(fresh: System, tmp_path: Path) -> None:
    """The broken pod, which its StatefulSet would wait for for ever, does not block the repaired one."""
    root = _edited(
        tmp_path, "infrastructure/postgres/adder-postgres.yaml", "postgres:16-alpine", "postgres:16.99-nowhere"
    )
    assert fresh.deploy("--manifests", str(root), "--timeout", "120", within_s=200).code == 1
    done = fresh.deploy()
    assert done.code == 0, done.out + done.err


def test_a_quota_ends_the_wait(fresh: System) -> None:
    """Too small a quota is found before anything starts; pods that another one keeps out are told with its name."""
    fresh.kubectl("apply", "--server-side", "-f", NAMESPACES)
    fresh.kubectl("create", "quota", "tight", "-n", "sumflow", "--hard=pods=1")
    found = fresh.deploy()
    assert found.code == 1
    assert "the quota tight of the namespace sumflow is too small for this profile" in found.err
    fresh.kubectl("delete", "quota", "tight", "-n", "sumflow")
    fresh.kubectl("create", "quota", "tight", "-n", "sumflow", "--hard=limits.memory=600Mi")
    done = fresh.deploy("--timeout", "180", within_s=260)
    fresh.kubectl("delete", "quota", "tight", "-n", "sumflow")
    assert done.code == 1
    assert "exceeded quota: tight" in done.err
    assert "kubectl get resourcequota -n sumflow" in done.err
    fresh.destroy("--delete-data")
    fresh.kubectl("delete", "-f", NAMESPACES)


def test_no_room_is_found_before_anything_is_created(fresh: System, tmp_path: Path) -> None:
    """Requests that no node can hold are added up and named."""
    root = _edited(tmp_path, "services/adder.yaml", "memory: 192Mi", "memory: 900Gi")
    done = fresh.deploy("--manifests", str(root))
    assert done.code == 1
    assert "the cluster has no room for" in done.err
    assert "adder-0" in done.err


def test_a_rejected_topic_ends_the_wait(fresh: System, tmp_path: Path) -> None:
    """What Kafka refuses comes back with the operator's words and the object's name."""
    root = _edited(
        tmp_path, "infrastructure/kafka-kraft/kafka-topic.yaml", "retention.ms: 604800000", "retention.ms: soon"
    )
    done = fresh.deploy("--manifests", str(root), "--timeout", "120", within_s=260)
    assert done.code == 1
    assert "KafkaTopic sumflow-kafka/sums was rejected by its operator" in done.err
    assert "retention.ms" in done.err


def test_without_permissions_each_missing_one_is_named(fresh: System, tmp_path: Path) -> None:
    """Whoever may nothing is told what is missing, verb by verb, and where the roles are."""
    nobody = System(fresh.strimzi, _kubeconfig(fresh, tmp_path, "nobody"))
    done = nobody.deploy()
    assert done.code == 1
    assert "cannot create namespaces in the whole cluster" in done.err
    assert "k8s/rbac" in done.err


def test_the_documented_roles_are_enough(fresh: System, tmp_path: Path) -> None:
    """With nothing but k8s/rbac/deployer.yaml a deployment goes through, is checked, and is removed again."""
    fresh.kubectl("apply", "--server-side", "-f", NAMESPACES, "-f", str(ROOT / "k8s/rbac/deployer.yaml"))
    try:
        deployer = System(fresh.strimzi, _kubeconfig(fresh, tmp_path, "deployer", group="sumflow-deployers"))
        done = deployer.deploy()
        assert done.code == 0, done.out + done.err
        assert deployer.sumflow("verify", "--on", "kubernetes").code == 0
        assert deployer.sumflow("add", "1", "1", "--on", "kubernetes").code == 0
        gone = deployer.destroy("--delete-data")
        assert gone.code == 0, gone.err
    finally:
        fresh.kubectl("delete", "-f", str(ROOT / "k8s/rbac/deployer.yaml"))
        fresh.kubectl("delete", "-f", NAMESPACES)


def test_a_server_that_is_away_is_told_with_its_address(cluster: System, tmp_path: Path) -> None:
    """Connection refused is told in a moment, with exit code 3: nothing runs there."""
    settings = yaml.safe_load(KUBECONFIG.read_text())
    settings["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "away").write_text(yaml.safe_dump(settings))
    done = System(cluster.strimzi, tmp_path / "away").deploy()
    assert done.code == 3
    assert "the Kubernetes API server https://127.0.0.1:1 does not answer" in done.err
    assert "Connection refused" in done.err


def test_a_context_that_is_not_there_is_told(cluster: System) -> None:
    """A misspelt context is a mistake of the request, exit code 2."""
    done = cluster.deploy("--context", "prod")
    assert done.code == 2
    assert "there is no kubeconfig context prod" in done.err


def _kubeconfig(admin: System, tmp_path: Path, name: str, group: str | None = None) -> Path:
    """Write the kubeconfig of a new user: a certificate signed by the cluster's own authority."""
    subject = f"/CN={name}" + (f"/O={group}" if group else "")
    key, request = tmp_path / f"{name}.key", tmp_path / f"{name}.csr"
    _openssl(
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request), "-subj", subject
    )
    encoded = base64.b64encode(request.read_bytes()).decode()
    signing = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"test-{name}"},
        "spec": {"request": encoded, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
    }
    admin.kubectl("delete", "csr", f"test-{name}", "--ignore-not-found")
    admin.kubectl("apply", "-f", "-", given=yaml.safe_dump(signing))
    admin.kubectl("certificate", "approve", f"test-{name}")
    path = "jsonpath={.status.certificate}"
    admin.kubectl("wait", f"csr/test-{name}", "--for", "jsonpath={.status.certificate}", "--timeout=30s")
    certificate = admin.kubectl("get", "csr", f"test-{name}", "-o", path)
    settings = yaml.safe_load(KUBECONFIG.read_text())
    settings["users"][0]["user"] = {
        "client-certificate-data": certificate,
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    file = tmp_path / f"{name}.kubeconfig"
    file.write_text(yaml.safe_dump(settings))
    return file


def _openssl(*args: str) -> None:
    import subprocess

    subprocess.run(["openssl", *args], check=True, capture_output=True)
