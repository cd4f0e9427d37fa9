"""SumFlow and kubectl read the profiles alike, and what only one of them would understand is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from sumflow import topology
from sumflow.errors import ManifestError
from sumflow.topology import kustomize
from tests.topology.tree import K8S, KUBECTL, PROFILES, ROOT, by_identity, declaring_files, documents, kustomized


@pytest.mark.parametrize("profile", PROFILES)
def test_render_is_what_kubectl_kustomize_says(profile: str) -> None:
    """Each profile renders to the same objects as `kubectl kustomize`, value by value."""
    assert by_identity(topology.render(profile)) == by_identity(kustomized(K8S / "profiles" / profile))


@pytest.mark.parametrize(
    "name", ["base", "infrastructure/kafka", "infrastructure/kafka-kraft", "infrastructure/postgres", "services"]
)
def test_kubectl_apply_on_a_directory_reads_manifests_only(name: str) -> None:
    """`kubectl apply -f DIRECTORY` takes *.yaml, *.yml and *.json; each of those holds objects and no kustomization."""
    files = [path for path in (K8S / name).iterdir() if path.suffix in (".yaml", ".yml", ".json")]
    assert files
    assert {document["kind"] for path in files for document in documents(path)}.isdisjoint({"Kustomization"})


@pytest.mark.parametrize("name", ["-f k8s/infrastructure/postgres/", "-f k8s/services/", "-k k8s/profiles/spec"])
def test_kubectl_reads_the_directories_itself(name: str) -> None:
    """Without a server and without SumFlow, kubectl finds the objects that a person would apply by hand."""
    option, path = name.split()
    command = [str(KUBECTL), "label", "--local", "--dry-run=client", "-o", "name", option, path, "a=b"]
    environment = {"KUBECONFIG": "/dev/null", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    directory = K8S.parent / path
    if option == "-k":
        wanted = kustomized(directory)
    else:
        wanted = [document for file in directory.glob("*.yaml") for document in documents(file)]
    names = sorted(line.rpartition("/")[2] for line in done.stdout.split())
    assert names == sorted(document["metadata"]["name"] for document in wanted)


def test_every_manifest_belongs_to_a_profile() -> None:
    """No file in `k8s/` is left out of all profiles: what is declared is used."""
    declared = {
        (document["kind"], document["metadata"]["name"]) for path in declaring_files() for document in documents(path)
    }
    rendered = {(found.kind, found.name) for name in PROFILES for found in kustomize.build(K8S / "profiles" / name)}
    assert declared == rendered


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_says_what_it_is_for(profile: str) -> None:
    """The first lines of each profile are comments that state its purpose."""
    lines = (K8S / "profiles" / profile / "kustomization.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# ")


MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: here}\ndata:\n  one: '1'\n  two: '2'\n"


def _tree(directory: Path, kustomization: str, **files: str) -> Path:
    (directory / "Kustomization").write_text(kustomization)
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def _patched(directory: Path, patch: str, target: str = "{kind: ConfigMap}") -> Path:
    indented = "\n".join(f"      {line}" for line in patch.splitlines())
    text = f"resources: [a.yaml]\npatches:\n  - target: {target}\n    patch: |-\n{indented}\n"
    return _tree(directory, text, a=MAP)


@pytest.mark.parametrize(
    "patch",
    [
        "- {op: add, path: /data/three, value: '3'}",
        "- {op: add, path: /data/one, value: 'another'}",
        "- {op: add, path: /metadata/labels, value: {a/c: d}}\n- {op: replace, path: /metadata/labels/a~1c, value: e}",
        "- {op: replace, path: /data, value: {}}",
        "- {op: remove, path: /data/one}",
        "$patch: delete\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}",
    ],
)
def test_patches_do_what_kubectl_does(tmp_path: Path, patch: str) -> None:
    """Each supported patch has the outcome that `kubectl kustomize` gives it."""
    directory = _patched(tmp_path, patch)
    ours = [yaml.safe_load(yaml.safe_dump(found.field.plain())) for found in kustomize.build(directory)]
    assert ours == kustomized(directory)


@pytest.mark.parametrize(
    ("path", "op"),
    [("/list/0", "add"), ("/list/-", "add"), ("/list/2", "add"), ("/list/1", "remove"), ("/list/0", "replace")],
)
def test_patches_of_lists_do_what_kubectl_does(tmp_path: Path, path: str, op: str) -> None:
    """Items are inserted before, appended, removed and replaced at the place that `kubectl kustomize` chooses."""
    value = "" if op == "remove" else ", value: new"
    directory = _patched(tmp_path, f"- {{op: {op}, path: {path}{value}}}", "{kind: A}")
    (directory / "a.yaml").write_text("apiVersion: e.x/v1\nkind: A\nmetadata: {name: a}\nlist: [one, two]\n")
    assert [found.field.plain() for found in kustomize.build(directory)] == kustomized(directory)


def test_a_patched_value_is_declared_in_the_patch(tmp_path: Path) -> None:
    """A value that a patch sets names the patch's file and line, so that a refusal leads to where it can be mended."""
    directory = _patched(tmp_path, "- op: replace\n  path: /data/one\n  value: changed")
    (found,) = kustomize.build(directory)
    source = found.block("data").need("one").source
    line = Path(source.file).read_text().splitlines()[source.line - 1]
    assert (Path(source.file).name, line.strip()) == ("Kustomization", "value: changed")


def test_a_patch_for_several_objects_leaves_them_apart(tmp_path: Path) -> None:
    """What one patch put into two objects can be changed in one of them."""
    both = MAP + "---\n" + MAP.replace("name: a", "name: b")
    add = "      - {op: add, path: /data, value: {x: old}}"
    change = "      - {op: replace, path: /data/x, value: new}"
    text = (
        f"resources: [a.yaml]\npatches:\n  - target: {{kind: ConfigMap}}\n    patch: |-\n{add}\n"
        f"  - target: {{name: b}}\n    patch: |-\n{change}\n"
    )
    directory = _tree(tmp_path, text, a=both)
    assert [found.field.plain() for found in kustomize.build(directory)] == kustomized(directory)


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        ("resources: [a.yaml]\nnamePrefix: x-\n", "`namePrefix` in a kustomization is not supported"),
        ("resources: [missing.yaml]\n", "there is no file or directory missing.yaml"),
        ("resources: [a.yaml, a.yaml]\n", "ConfigMap a in here is declared twice"),
        ("resources: [.]\n", "include each other in a circle"),
        ("resources: [../outside.yaml]\n", "outside of this directory"),
        ("resources: [a.yaml]\n---\nresources: []\n", "one YAML document"),
    ],
)
def test_a_kustomization_that_is_half_understood_is_refused(tmp_path: Path, kustomization: str, said: str) -> None:
    """Whatever the reader does not know ends in an error that names it, never in a smaller system."""
    (tmp_path / "outside.yaml").write_text(MAP.replace("name: a", "name: b"))
    (tmp_path / "k").mkdir()
    with pytest.raises(ManifestError, match=said):
        kustomize.build(_tree(tmp_path / "k", kustomization, a=MAP))


@pytest.mark.parametrize(
    ("patch", "target", "said"),
    [
        ("- {op: move, from: /data/one, path: /data/x}", "{kind: ConfigMap}", "`from` is not supported"),
        ("- {op: copy, path: /data/x}", "{kind: ConfigMap}", "the operation `copy` is not supported"),
        ("- {op: replace, path: /data/x, value: z}", "{kind: ConfigMap}", "leads nowhere: there is no `x`"),
        ("- {op: remove, path: /data/one/deeper}", "{kind: ConfigMap}", "leads nowhere"),
        ("- {op: remove, path: data}", "{kind: ConfigMap}", "not a JSON pointer"),
        ("- {op: add, path: /data/x}", "{kind: ConfigMap}", "`patch.0..value` is missing"),
        ("data: {one: merged}", "{kind: ConfigMap}", "a patch is a list of JSON operations"),
        ("$patch: delete\ndata: {}", "{kind: ConfigMap}", "`data` is not supported in a deletion"),
        ("- {op: remove, path: /data}", "{kind: Secret}", "matches no object"),
        ("- {op: remove, path: /data}", "{name: a.*}", "regular expressions are not supported"),
        ("- {op: remove, path: /data}", "{labelSelector: a=b}", "`target.labelSelector` is not supported"),
    ],
)
def test_a_patch_that_is_half_understood_is_refused(tmp_path: Path, patch: str, target: str, said: str) -> None:
    """A patch that would do nothing, or something else than kubectl's, is refused with file and line."""
    with pytest.raises(ManifestError, match=said) as caught:
        kustomize.build(_patched(tmp_path, patch, target))
    assert caught.value.line > 1


def test_two_kustomizations_in_a_directory_are_refused(tmp_path: Path) -> None:
    """kustomize refuses a directory with two, and so does SumFlow."""
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(ManifestError, match="one kustomization"):
        kustomize.build(_tree(tmp_path, "resources: []\n"))
