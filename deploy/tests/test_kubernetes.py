"""The rendered manifests of Kubernetes: each document by its schema, every rule, and each rule broken on purpose."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from breaks.kubernetes import BREAKS, Edit
from kustomize import KUBECTL, MANIFESTS, OVERLAYS, VERSIONS, errors, render
from manifests import RULES, Rendered, broken
from manifests.rendered import address
from terraform import TESTS

COUNTS = {"dev": 12, "prod": 14, "canary": 19}
"""Documents by overlay: a document that kustomize loses without a word is missed."""
VERBS = (
    "create secret generic",
    "create namespace",
    "create job",
    "rollout status",
    "apply",
    "wait",
    "logs",
    "delete",
    "port-forward",
)
"""Commands of kubectl that the document uses."""
MADE = {"job/first"}
"""What a command of the document makes, and no manifest."""
overlays = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], Rendered]:
    made = {overlay: render(overlay) for overlay in OVERLAYS}
    return made.__getitem__


@overlays
@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_keeps_a_schema(rendered: Callable[[str], Rendered], overlay: str, version: str) -> None:
    documents = rendered(overlay).documents
    assert len(documents) == COUNTS[overlay]
    assert not errors(documents, version)


@pytest.mark.parametrize(
    ("kind", "path", "key", "value", "said"),
    [
        ("Deployment", ("spec", "template", "spec"), "hostNetwrk", True, "'hostNetwrk' was unexpected"),
        ("Deployment", ("spec",), "replicas", "two", "'two' is not of type 'integer'"),
        ("CronJob", ("spec",), "schedule", None, "None is not of type 'string'"),
        ("CronJob", (), "kind", "KronJob", "no schema knows batch/v1 KronJob"),
        ("HTTPRoute", ("spec", "rules", 0, "backendRefs", 0), "weight", "ninety", "weight must be integer"),
        ("HTTPRoute", ("spec", "rules", 0, "timeouts"), "request", "0", "must match pattern"),
        ("HTTPRoute", (), "kind", "HTTPRuote", "no schema knows"),
    ],
)
def test_schemas_refuse(kind: str, path: tuple[str | int, ...], key: str, value: object, said: str) -> None:
    """Schemas that took everything would make the test above worthless."""
    documents = render("prod").documents
    (one,) = (each for each in documents if each["kind"] == kind)
    for step in path:
        one = one[step]
    one[key] = value
    (error,) = errors(documents, VERSIONS[-1])
    assert said in error


@overlays
def test_an_overlay_keeps_every_rule(rendered: Callable[[str], Rendered], overlay: str) -> None:
    assert not broken(rendered(overlay))


def test_every_rule_is_broken_on_purpose() -> None:
    assert {one.rule for one in BREAKS} == RULES.keys()
    assert len(RULES) >= 40


@pytest.mark.parametrize("edit", BREAKS, ids=lambda edit: edit.label)
def test_a_fault_breaks_its_rule_alone(edit: Edit, tmp_path: Path) -> None:
    copied = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, copied)
    file = copied / edit.file
    text = file.read_text()
    assert edit.old in text, "the table of faults names a text that is not there"
    file.write_text(text.replace(edit.old, edit.new, edit.count))
    found = broken(render(edit.overlay, copied))
    assert found.keys() == {edit.rule}, found


def _commands() -> list[list[str]]:
    """Words of each kubectl command of the document."""
    text = (TESTS.parents[1] / "docs/kubernetes.md").read_text()
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words for words in lines if words and words[0] == "kubectl"]


@pytest.mark.parametrize("words", _commands(), ids=lambda words: " ".join(words[:6]))
def test_kubectl_knows_the_commands_of_the_document(words: list[str]) -> None:
    rest = words[1 : words.index("-n")] if "-n" in words else words[1:]
    (verbs,) = (rest[:count] for count in (3, 2, 1) if " ".join(rest[:count]) in {*VERBS})
    done = subprocess.run([KUBECTL, *verbs, "--help"], capture_output=True, text=True, check=True)
    for option in (one.partition("=")[0] for one in rest if one.startswith("-")):
        assert re.search(rf"(^| ){option}(=|,| )", done.stdout), option
    named = {address(one).lower() for overlay in OVERLAYS for one in render(overlay).documents} | MADE
    for one in rest[len(verbs) :]:
        if "/" in one and not one.startswith(("-", "deploy/")):
            assert one in named, one
        if one.startswith("deploy/"):
            assert (TESTS.parents[1] / one / "kustomization.yaml").exists(), one
