"""What a bring-up makes anew."""

from __future__ import annotations

import base64

from sumflow.local.bringup import new_cluster_id


def test_a_cluster_id_is_kafkas_and_never_reads_as_an_option() -> None:
    """Every id is 16 random bytes in 22 characters, and none begins with a dash, as one in 64 once did."""
    ids = {new_cluster_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(base64.urlsafe_b64decode(one + "==")) == 16 for one in ids)
    assert not any(one.startswith("-") for one in ids)
