"""`sumflow deploy`, `diff` and `render`: the declared system on a Kubernetes cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sumflow.cli import clusters, units
from sumflow.cli.output import Output, common_options, examples

if TYPE_CHECKING:
    from sumflow.cluster.apply import Applied
    from sumflow.cluster.bringup import Deployment


@click.command(
    epilog=examples(
        "sumflow deploy                               the specification, on the current context",
        "sumflow deploy --profile kraft               the choice for a new cluster: a current Kafka, no ZooKeeper",
        "sumflow deploy --dry-run                     check everything, change nothing",
        "sumflow deploy --image registry.example/sumflow:0.1.0",
        "sumflow deploy --strimzi-manifest install/cluster-operator    without a way to GitHub",
    )
)
@clusters.declared_options
@clusters.context_option
@click.option("--dry-run", is_flag=True, help="Check everything and tell what would be done; change nothing.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="The longest that any stage may take; each has its own limit by default.",
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that somebody else manages.")
@common_options
def deploy(
    profile: str,
    manifests: Path | None,
    strimzi_manifest: Path | None,
    image: str | None,
    context: str | None,
    dry_run: bool,
    timeout_s: float | None,
    force_conflicts: bool,
    output: Output,
) -> int:
    """Bring the declared system up on a Kubernetes cluster.

    Preflight first; then the specification's order: namespaces, Strimzi operator, Kafka cluster, topics, PostgreSQL,
    services, each awaited. What is as declared is left alone, so that the same command resumes and repairs. The
    default profile is the specification's; `--profile kraft` is the choice for a new cluster.
    """
    from dataclasses import replace

    from sumflow.cli import deploying
    from sumflow.cluster import bringup

    began = time.monotonic()
    options = clusters.options(profile, manifests, strimzi_manifest, image)
    options = replace(options, timeout_s=timeout_s, force_conflicts=force_conflicts)
    cluster = clusters.connect(context)
    deployment = bringup.prepare(cluster, options)
    output.line(f"profile {profile} on {cluster.context} ({cluster.server}, Kubernetes {cluster.version()})")
    if profile == bringup.DEFAULT_PROFILE:
        output.line("the specification's Kafka 3.7 with ZooKeeper; for a new cluster choose --profile kraft")
    if dry_run:
        return _dry_run(deployment, output)
    with deploying.reporter(output) as reporter:
        bringup.deploy(deployment, reporter)
    output.document({"profile": profile, "context": cluster.context, **reporter.document()})
    counts = _counted([str(change["answer"]) for change in reporter.changes])
    output.line(
        f"\n{output.style('deployed', 'green', bold=True)} in {units.duration(time.monotonic() - began)}: {counts}"
    )
    output.line(
        "next: sumflow verify --on kubernetes   sumflow add 2 3 --on kubernetes   sumflow status --on kubernetes"
    )
    return 0


def _dry_run(deployment: Deployment, output: Output) -> int:
    from sumflow.cluster import bringup

    for finding in bringup.check(deployment):
        output.note(f"warning: {finding.what}; {finding.remedy}")
    previewed = bringup.preview(deployment)
    for stage, change in previewed:
        output.line(f"{stage}: {change.ref.typed_name} {change.answer} (dry run)")
    answers = [change.answer for _, change in previewed]
    output.document({"dry_run": True, "changes": [_written(stage, change) for stage, change in previewed]})
    output.line(f"\nnothing was changed; a deployment would leave {_counted(answers)}")
    return 0


@click.command(epilog=examples("sumflow diff", "sumflow diff --profile kraft --context prod && echo nothing to do"))
@clusters.declared_options
@clusters.context_option
@common_options
def diff(
    profile: str,
    manifests: Path | None,
    strimzi_manifest: Path | None,
    image: str | None,
    context: str | None,
    output: Output,
) -> int:
    """Show how a cluster differs from what is declared, field by field.

    Works before anything is installed. Exit code 0 says that there is no difference, 1 that there is one, as diff does.
    Values of Secrets are not shown.
    """
    from dataclasses import replace

    from sumflow.cluster import bringup

    options = replace(clusters.options(profile, manifests, strimzi_manifest, image), force_conflicts=True)
    previewed = bringup.preview(bringup.prepare(clusters.connect(context), options))
    differing = [(stage, change) for stage, change in previewed if change.answer != "unchanged"]
    for _, change in differing:
        for line in _lines(change, output):
            output.line(line)
    output.document({"differs": bool(differing), "changes": [_written(stage, change) for stage, change in differing]})
    output.line(_counted([change.answer for _, change in previewed]))
    return 1 if differing else 0


@click.command(
    epilog=examples("sumflow render --profile kraft > sumflow.yaml", "sumflow render --json | jq '.[].kind'")
)
@clusters.declared_options
@common_options
def render(
    profile: str, manifests: Path | None, strimzi_manifest: Path | None, image: str | None, output: Output
) -> int:
    """Print a profile's objects as plain YAML, for GitOps; the same as `kubectl kustomize k8s/profiles/NAME`.

    Passwords in it are placeholders. With --strimzi-manifest, that file or directory is printed too.
    """
    import yaml

    from sumflow import topology
    from sumflow.cluster import fetch, install, settle

    objects: list[Any] = list(settle.with_image(topology.render(profile, manifests), image))
    if strimzi_manifest:
        release = topology.load(profile, manifests).strimzi
        objects += install.in_namespace(install.parse(fetch.given(strimzi_manifest, release)), release)
    output.line(yaml.safe_dump_all(objects, sort_keys=False).rstrip())
    output.document(objects)
    return 0


def _lines(change: Applied, output: Output) -> Iterator[str]:
    mark = output.style("+", "green") if change.answer == "created" else output.style("~", "yellow")
    yield f"{mark} {change.ref}"
    for each in change.changes:
        yield f"    {each.path}: {_value(each.before)} -> {_value(each.after)}"


def _value(value: object) -> str:
    text = "(absent)" if value is None else str(value).replace("\n", "\\n")
    return text if len(text) <= 120 else f"{text[:117]}..."


def _written(stage: str, change: Applied) -> dict[str, Any]:
    fields = [{"path": each.path, "before": each.before, "after": each.after} for each in change.changes]
    return {"stage": stage, "object": str(change.ref), "answer": change.answer, "fields": fields}


def _counted(answers: Sequence[str]) -> str:
    found = {word: answers.count(word) for word in ("created", "configured", "unchanged")}
    return ", ".join(f"{count} {word}" for word, count in found.items() if count) or "nothing"
