"""The service-discovery table: every declared DNS name and port, and how a text that names them is led elsewhere.

On one machine the same names resolve to local ports. Nothing but this module knows how a DNS name may be shortened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sumflow.topology.model import DnsAddress, Topology

CLUSTER_DOMAIN = ".svc.cluster.local"


def declared(topology: Topology) -> tuple[DnsAddress, ...]:
    """Return every address that the manifests declare: Kafka's bootstrap first, then each Service's ports."""
    services = (DnsAddress(each.host, port) for each in topology.discovery for port in each.ports)
    return (topology.kafka.bootstrap, *services)


def short_forms(host: str, *, namespace: str | None = None) -> tuple[str, ...]:
    """Return the names that mean this host, the full one first.

    Args:
        host: a full name, as `adder.sumflow.svc.cluster.local`.
        namespace: where the text is read; there the bare name of a Service of the same namespace is enough.
    """
    if not host.endswith(CLUSTER_DOMAIN):
        return (host,)
    short = host.removesuffix(CLUSTER_DOMAIN)
    name, _, own = short.partition(".")
    bare = (name,) if own == namespace else ()
    return (host, f"{short}.svc", short, *bare)


def rewrite(text: str, mapping: Mapping[DnsAddress, DnsAddress | str], *, namespace: str | None = None) -> str:
    """Replace each `name:port` of the mapping, in all its short forms, and leave everything else as it is.

    A target may be a text, because one name may stand for several addresses, as Kafka's bootstrap does.
    """
    spelled = {
        f"{form}:{address.port}": str(target)
        for address, target in mapping.items()
        for form in short_forms(address.host, namespace=namespace)
    }
    if not spelled:
        return text
    choices = "|".join(re.escape(form) for form in sorted(spelled, key=len, reverse=True))
    # A longer name or number that merely contains one of these is another address.
    pattern = rf"(?<![\w.-])(?:{choices})(?![\w.-]|:\d)"
    return re.sub(pattern, lambda match: spelled[match.group()], text)
