"""The one loop of every operator: look at everything again whenever something changed, and now and then regardless."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import confluent_kafka
import httpx

from testing.strimzi_standin.kube import Kube

log = logging.getLogger("standin")
RESYNC_S = 30.0
RETRY_S = 1.0


class Loop:
    """Wakes on changes of the watched kinds; a pass that fails is repeated after a second, for ever."""

    def __init__(self, kube: Kube, kinds: Sequence[str], labels: str = "") -> None:
        self._kube = kube
        self._labels = labels
        self._changed = threading.Event()
        self._ended = threading.Event()
        for kind in kinds:
            threading.Thread(target=self._watch, args=(kind,), name=f"watch-{kind}", daemon=True).start()

    def run(self, reconcile: Callable[[], None]) -> None:
        """Call `reconcile` for ever. It takes one step and returns: a change of what it waits for calls it again."""
        while not self._ended.is_set():
            self._changed.clear()
            try:
                reconcile()
            except (httpx.HTTPError, confluent_kafka.KafkaException) as failure:
                log.warning("reconciliation failed, trying again: %s", failure)
                self._changed.wait(RETRY_S)
            else:
                self._changed.wait(RESYNC_S)

    def end(self) -> None:
        """Make `run` return after its current pass."""
        self._ended.set()
        self._changed.set()

    def _watch(self, kind: str) -> None:
        while not self._ended.is_set():
            try:
                self._kube.watch(kind, self._changed.set, self._labels)
            except httpx.HTTPError as failure:
                log.warning("watching %s ended, watching again: %s", kind, failure)
                self._ended.wait(RETRY_S)
