"""What gRPC itself may hold for clients: the bounds of its server, in one place.

Source of the names: grpc_types.h and channel_arg_names.h of gRPC core.
"""

from __future__ import annotations

from typing import Final

from sumflow import descriptors
from sumflow.settings import AdderSettings

MAX_MESSAGE_BYTES: Final = 1536 * 1024
"""A batch of 10,000 of the largest numbers, each with the longest name, has 1.5 million bytes."""
MAX_METADATA_BYTES: Final = 16 * 1024
MAX_CALLS_OF_A_CONNECTION: Final = 64
"""A client with more waits on its own side. A call that is open takes about 16 KiB, whatever it does: some 220 MiB for
those of all connections, which leaves room for what messages take."""
HANDSHAKE_WITHIN_MS: Final = 10_000
KEEPALIVE_MS: Final = 30_000
"""How often a silent connection is asked for a sign of life."""
KEEPALIVE_WITHIN_MS: Final = 20_000
MIN_PING_INTERVAL_MS: Final = 10_000
"""Clients that ping more often than this get GOAWAY with ENHANCE_YOUR_CALM."""
IDLE_MS: Final = 60_000
"""A connection without a call for so long is closed; clients open another when they need it."""


def server_options(settings: AdderSettings) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options; as many connections as open files allow, so that the database's never find none left."""
    connections = descriptors.allow(settings.adder_max_connections)
    return (
        # Replicas on one machine share the port; the kernel spreads connections over them.
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # Else gRPC widens the window of each stream to megabytes when a connection is fast, and what clients send into
        # it is kept before anybody has asked for it. Without, a message that is awaited is still let in whole.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", MAX_CALLS_OF_A_CONNECTION),
        # Else gRPC counts calls that have ended and resets others of an honest client for them, without a word.
        ("grpc.http.overload_protection", 0),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_WITHIN_MS),
        ("grpc.http2.settings_timeout", HANDSHAKE_WITHIN_MS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_WITHIN_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        # From 1,000 calls that wait for their handler on, gRPC cancels some at random, also without a word. Our own
        # queue has a limit and a message, and the calls are counted already; this limit is kept out of its way.
        ("grpc.server.max_pending_requests", connections * MAX_CALLS_OF_A_CONNECTION),
        ("grpc.server.max_pending_requests_hard_limit", 2 * connections * MAX_CALLS_OF_A_CONNECTION),
    )
