"""The Secrets of a cluster's certificate authorities and certificates: made once, named and keyed as the real ones."""

from __future__ import annotations

import base64
import datetime
import secrets
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from testing.strimzi_standin.model import Cluster
from testing.strimzi_standin.names import Object, labels, owner, thing

VALID = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Authority:
    """A self-signed certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def authority(common_name: str) -> Authority:
    """Return a new certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def issue(issuer: Authority, common_name: str, dns_names: list[str]) -> tuple[bytes, bytes]:
    """Return the PEM of a new certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(common_name), issuer.certificate.subject, key)
    if dns_names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(issuer.key, hashes.SHA256())), _key_pem(key)


def secrets_of(cluster: Cluster) -> list[Object]:
    """Return all Secrets of a new cluster; those that exist already are to be left alone."""
    cluster_ca, clients_ca = authority(f"{cluster.name}-cluster-ca"), authority(f"{cluster.name}-clients-ca")
    made = [*_authority_secrets(cluster, "cluster", cluster_ca), *_authority_secrets(cluster, "clients", clients_ca)]
    made.append(_issued(cluster, cluster_ca, "cluster-operator-certs", "strimzi", "strimzi", ["cluster-operator"]))
    for which in ("topic", "user"):
        component = f"entity-{which}-operator"
        suffix, name = f"{component}-certs", f"{cluster.name}-{component}"
        made.append(_issued(cluster, cluster_ca, suffix, component, name, ["entity-operator"]))
    if cluster.zookeepers:
        return made + _node_secrets_by_kind(cluster, cluster_ca)
    made += [
        _issued(cluster, cluster_ca, f"{n.pool}-{n.node_id}", "kafka", cluster.component, [n.pod])
        for n in cluster.nodes
    ]
    return [*made, _trust_bundle(cluster, cluster_ca, clients_ca)]


def _name(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "io.strimzi")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _secret(cluster: Cluster, suffix: str, its_labels: dict[str, str], data: dict[str, bytes]) -> Object:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return thing("Secret", f"{cluster.name}-{suffix}", its_labels, owner(cluster.kafka), type="Opaque", data=encoded)


def _authority_secrets(cluster: Cluster, which: str, ca: Authority) -> list[Object]:
    its_labels = labels(cluster.name, "certificate-authority", "strimzi")
    password = secrets.token_urlsafe(9).encode()
    trusted = [pkcs12.PKCS12Certificate(ca.certificate, b"ca.crt")]
    store = pkcs12.serialize_java_truststore(trusted, serialization.BestAvailableEncryption(password))
    public = {"ca.crt": _pem(ca.certificate), "ca.p12": store, "ca.password": password}
    return [
        _secret(cluster, f"{which}-ca", its_labels, {"ca.key": _key_pem(ca.key)}),
        _secret(cluster, f"{which}-ca-cert", its_labels, public),
    ]


def _issued(
    cluster: Cluster,
    ca: Authority,
    suffix: str,
    component: str,
    name: str,
    holders: list[str],
    service: str = "kafka-brokers",
) -> Object:
    data: dict[str, bytes] = {}
    for holder in holders:
        dns = f"{holder}.{cluster.name}-{service}.{cluster.namespace}.svc"
        data[f"{holder}.crt"], data[f"{holder}.key"] = issue(ca, holder, [dns])
    return _secret(cluster, suffix, labels(cluster.name, component, name), data)


def _node_secrets_by_kind(cluster: Cluster, ca: Authority) -> list[Object]:
    brokers, zookeepers = [n.pod for n in cluster.nodes], [n.pod for n in cluster.zookeepers]
    name = f"{cluster.name}-zookeeper"
    return [
        _issued(cluster, ca, "kafka-brokers", "kafka", cluster.component, brokers),
        _issued(cluster, ca, "zookeeper-nodes", "zookeeper", name, zookeepers, "zookeeper-nodes"),
    ]


def _trust_bundle(cluster: Cluster, cluster_ca: Authority, clients_ca: Authority) -> Object:
    data = {"cluster-ca.crt": _pem(cluster_ca.certificate), "clients-ca.crt": _pem(clients_ca.certificate)}
    return _secret(cluster, "trustbundle", labels(cluster.name, "trust-bundle", "strimzi"), data)
