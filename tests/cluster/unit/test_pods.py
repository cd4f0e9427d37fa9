"""Why a pod is not ready: which states are worth waiting for, and which never end by themselves."""

from __future__ import annotations

import pytest

from sumflow.cluster import pods
from sumflow.cluster.verdict import Around, Hopeless, Waiting
from sumflow.steps import Ready
from tests.cluster.unit.recorded import JUST_NOW, LONG_AGO, NOW, container, held, pod, running_pod, unscheduled, warning


def test_a_ready_pod_is_ready() -> None:
    """A pod whose condition Ready is True is ready."""
    assert pods.judge(running_pod(ready=True), Around(now=NOW)) == Ready()


def test_a_running_pod_that_is_not_ready_tells_the_last_warning() -> None:
    """The probe's own words reach the reader while waiting."""
    running = running_pod(ready=False)
    events = (warning(running, "Unhealthy", "Readiness probe failed: HTTP 503: kafka: no broker"),)
    verdict = pods.judge(running, Around(events=events, now=NOW))
    assert isinstance(verdict, Waiting)
    assert "started, not ready; Unhealthy: Readiness probe failed: HTTP 503: kafka: no broker" in verdict.reason
    assert verdict.speaker is not None
    assert verdict.speaker.container == "postgres"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ImagePullBackOff", 'Back-off pulling image "sumflow:0.1.0"'),
        ("ErrImagePull", 'failed to pull "x": docker.io/library/sumflow:0.1.0: not found'),
        ("ErrImagePull", "pull access denied, repository does not exist"),
        ("InvalidImageName", "couldn't parse image reference"),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
        ("CreateContainerConfigError", 'secret "adder-postgres-secret" not found'),
    ],
)
def test_what_never_starts_ends_the_wait(reason: str, message: str) -> None:
    """A container that cannot be made is hopeless at once, and the kubelet's words are kept."""
    verdict = pods.judge(held(reason, message), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert reason in verdict.reason
    assert message in verdict.reason
    assert verdict.remedy


def test_a_pull_that_may_succeed_is_waited_for() -> None:
    """A registry that is slow to answer is tried again by the kubelet, so there is hope."""
    verdict = pods.judge(held("ErrImagePull", "net/http: TLS handshake timeout"), Around(now=NOW))
    assert isinstance(verdict, Waiting)


@pytest.mark.parametrize(
    ("message", "event", "waits"),
    [
        ('Back-off pulling image "x": ErrImagePull: Get "https://quay.io/v2/": dial tcp: i/o timeout', "", True),
        ('Back-off pulling image "x"', 'Failed to pull image "x": toomanyrequests: rate limit exceeded', True),
        ('Back-off pulling image "x"', 'Failed to pull image "x": 503 Service Unavailable', True),
        ('Back-off pulling image "x"', 'Failed to pull image "x": quay.io/x: not found', False),
        ('Back-off pulling image "x"', "", False),
    ],
)
def test_a_pull_that_is_held_back_is_judged_by_its_last_failure(message: str, event: str, waits: bool) -> None:
    """A busy registry is worth waiting for, an unknown name is not; the reason may be in the event only."""
    waiting = held("ImagePullBackOff", message)
    back_off = warning(waiting, "Failed", "Error: ImagePullBackOff")
    events = (warning(waiting, "Failed", event), back_off) if event else ()
    assert isinstance(pods.judge(waiting, Around(events=events, now=NOW)), Waiting if waits else Hopeless)


def test_a_registry_that_stays_silent_ends_the_wait() -> None:
    """After a minute the silence is no accident any more."""
    message = 'Back-off pulling image "x": ErrImagePull: lookup registry.example: i/o timeout'
    waiting = held("ImagePullBackOff", message)
    for since, kind in ((JUST_NOW, Waiting), (LONG_AGO, Hopeless)):
        waiting["status"]["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": since}]
        assert isinstance(pods.judge(waiting, Around(now=NOW)), kind)


def test_a_lost_node_is_named_and_what_comes_back_with_it() -> None:
    """A pod whose node is away runs as far as its status tells; the reader learns the node and the volume's bond."""
    lost = running_pod(ready=False) | {
        "spec": {"nodeName": "node2", "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}
    }
    verdict = pods.judge(lost, Around(away=frozenset({"node2"}), now=NOW))
    assert isinstance(verdict, Waiting)
    assert "is on node2, a node that does not answer" in verdict.reason
    assert "kubectl describe node node2" in verdict.reason
    lost["spec"]["volumes"] = [{"emptyDir": {}}]
    unbound = pods.judge(lost, Around(away=frozenset({"node2"}), now=NOW))
    assert unbound == Waiting("pod sumflow/adder-postgres-0 is on node2, a node that does not answer")


def test_a_volume_on_another_node_is_not_mended_by_more_room() -> None:
    """The scheduler's words about a bound volume lead to that node, not to a bigger cluster."""
    said = "0/2 nodes are available: 2 node(s) had volume node affinity conflict."
    verdict = pods.judge(unscheduled(said), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert "bring that node back" in verdict.remedy


def test_a_kubelet_that_is_behind_is_waited_for() -> None:
    """A kubelet under load has not seen the Secret yet; that passes, unlike a Secret that does not exist."""
    said = "failed to sync secret cache: timed out waiting for the condition"
    assert isinstance(pods.judge(held("CreateContainerConfigError", said), Around(now=NOW)), Waiting)


def test_the_own_image_names_the_option() -> None:
    """SumFlow's own image missing is mended by loading it, not by looking for a registry."""
    verdict = pods.judge(held("ImagePullBackOff", image="docker.io/library/sumflow:0.1.0"), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert "--image" in verdict.remedy


def test_a_crash_loop_ends_the_wait_with_the_last_words_of_the_dead() -> None:
    """A container held back after its second death is hopeless; its previous log is asked for."""
    ended = {"terminated": {"reason": "Error", "exitCode": 3, "message": "no such table"}}
    verdict = pods.judge(held("CrashLoopBackOff", "back-off 20s", restarts=2, lastState=ended), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert "Error, exit code 3: no such table" in verdict.reason
    assert verdict.speaker is not None
    assert verdict.speaker.previous


def test_the_first_crash_is_forgiven() -> None:
    """A service that once met a database that was not up yet gets its second chance."""
    assert isinstance(pods.judge(held("CrashLoopBackOff", "back-off 10s", restarts=1), Around(now=NOW)), Waiting)


def test_out_of_memory_says_what_to_raise() -> None:
    """OOMKilled is told as such, and the remedy is the limit."""
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    verdict = pods.judge(held("CrashLoopBackOff", restarts=5, lastState=ended), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert "resources.limits.memory" in verdict.remedy


def test_no_room_anywhere_ends_the_wait() -> None:
    """A pod that no node has taken for a while is hopeless, with the scheduler's words."""
    verdict = pods.judge(unscheduled("0/3 nodes are available: 3 Insufficient memory."), Around(now=NOW))
    assert isinstance(verdict, Hopeless)
    assert "3 Insufficient memory" in verdict.reason


def test_a_moment_without_a_node_is_no_verdict() -> None:
    """A place may be about to become free, as in a rollout."""
    verdict = pods.judge(unscheduled("0/3 nodes are available: 3 Insufficient memory.", JUST_NOW), Around(now=NOW))
    assert isinstance(verdict, Waiting)


@pytest.mark.parametrize(
    "said",
    [
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        'running PreFilter plugin "VolumeBinding": could not find v1.PersistentVolumeClaim "sumflow/x-pvc"',
    ],
)
def test_a_volume_in_the_making_is_waited_for(said: str) -> None:
    """The claim's own state decides about volumes, not the scheduler's complaint; one that is missing is made."""
    assert isinstance(pods.judge(unscheduled(said), Around(now=NOW)), Waiting)


def test_a_growing_cluster_is_waited_for() -> None:
    """When the autoscaler says that a node is coming, the pod will have its place."""
    alone = unscheduled("0/1 nodes are available: 1 Insufficient cpu.")
    events = (warning(alone, "TriggeredScaleUp", "pod triggered scale-up"),)
    assert isinstance(pods.judge(alone, Around(events=events, now=NOW)), Waiting)


def test_a_pod_on_its_way_out_is_not_judged() -> None:
    """A terminating pod's troubles are over soon, whatever they are."""
    leaving = held("ImagePullBackOff", "x")
    leaving["metadata"]["deletionTimestamp"] = JUST_NOW
    assert isinstance(pods.judge(leaving, Around(now=NOW)), Waiting)


def test_a_finished_init_container_holds_nothing_up() -> None:
    """Exit code 0 of an init container is success; the main container decides."""
    done = container("init", state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    ready = container(ready=True, state={"running": {}})
    conditions = [{"type": "Ready", "status": "True"}]
    found = pod(phase="Running", conditions=conditions, initContainerStatuses=[done], containerStatuses=[ready])
    assert pods.judge(found, Around(now=NOW)) == Ready()
