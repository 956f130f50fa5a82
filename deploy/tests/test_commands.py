"""Every command of docs/aws.md: aws by botocore's model, terraform by the HCL, scripts by their files."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import hcl2
import pytest
from botocore import xform_name

from terraform import HCL, TESTS

REPOSITORY = TESTS.parents[1]
DOCUMENT = REPOSITORY / "docs/aws.md"
OF_THE_PROGRAM = {"--query", "--output", "--region", "--profile", "--cli-input-json", "--no-cli-pager"}
OF_S3 = {"ls", "cp", "sync", "rm", "mb", "rb"}
"""Commands of `aws s3`, which the AWS CLI makes of several operations each; `s3api` has the operations."""
OWN = {("ecr", "get-login-password"): "get-authorization-token"}
"""Commands of the AWS CLI itself, and the operation that each one calls."""
SHORTENED = {"true": True, "false": False}


def _commands(program: str) -> list[list[str]]:
    """Words of each command of the document that begins with this program."""
    found = []
    for block in re.findall(r"^ *```[a-z]*\n(.*?)^ *```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL):
        for line in map(str.strip, block.splitlines()):
            whole = re.sub(r"\$\((.*)\)", lambda inner: _collect(found, inner[1], program), line)
            piped = whole.partition(" | ")[0]
            words = shlex.split(re.sub(r"^(?:export )?\w+=(?=\S*$)", "echo ", piped), comments=True)
            if words and words[0] == program:
                found.append(words)
    return found


def _collect(found: list[list[str]], text: str, program: str) -> str:
    """Note a command inside $(...), and stand for its output."""
    words = shlex.split(text.partition(" | ")[0])
    if words[0] == program:
        found.append(words)
    return "output"


def _options(words: list[str]) -> dict[str, list[str]]:
    """Options and the words after each."""
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            given[name] = [value] if value else []
        else:
            given[next(reversed(given))].append(word)
    return given


AWS = _commands("aws")


def test_the_document_has_commands() -> None:
    assert len(AWS) >= 20
    assert len(_commands("terraform")) >= 6
    assert len(_commands("packer")) >= 2


@pytest.mark.parametrize("words", AWS, ids=lambda words: " ".join(words[1:3]))
def test_aws_knows_the_command(words: list[str]) -> None:
    service, command, *rest = words[1:]
    if service == "s3":
        assert command in OF_S3
        return
    command = OWN.get((service, command), command)
    session = botocore.session.get_session()
    service = {"s3api": "s3"}.get(service, service)
    if command == "wait":
        client = session.create_client(service, region_name="us-west-2")
        waiter, *rest = rest
        assert waiter.replace("-", "_") in client.waiter_names
        config = client.get_waiter(waiter.replace("-", "_"))
        command = xform_name(config.config.operation, "-")
    model = session.get_service_model(service)
    operation = {xform_name(name, "-"): name for name in model.operation_names}.get(command)
    assert operation, f"{service} has no {command}"
    if model.operation_model(operation).has_streaming_output:
        rest.pop()  # the file that the answer goes into
    shape = model.operation_model(operation).input_shape
    members = {f"--{xform_name(name, '-')}": (name, member) for name, member in shape.members.items()}
    flags = {f"--no-{name[2:]}": told for name, told in members.items() if told[1].type_name == "boolean"}
    given = _options(rest)
    assert given.keys() <= members.keys() | flags.keys() | OF_THE_PROGRAM, "an unknown option"
    known = {(members | flags)[name][0] for name in given if name in members | flags}
    assert set(shape.required_members) <= known, "a required option is missing"
    for name, values in given.items():
        if name in members:
            _check(members[name][1], values, name)


def _check(shape: object, values: list[str], option: str) -> None:
    """The value of an option against its shape: JSON, the short form of structures, lists, enumerations."""
    kind, text = shape.type_name, " ".join(values)
    if kind in {"structure", "list", "map"} and text.startswith(("{", "[")):
        _json(shape, json.loads(text), option)
    elif kind == "structure":
        for pair in text.split(","):
            key, _, value = pair.partition("=")
            assert key in shape.members, f"{option} has no {key}"
            _json(shape.members[key], SHORTENED.get(value, value), option)
    elif kind == "list":
        for value in values:
            _check(shape.member, [value], option)
    elif kind == "string":
        assert len(values) == 1
        _json(shape, text, option)
    elif kind in {"integer", "long"}:
        int(text)
    elif kind == "blob":
        assert text.startswith("fileb://"), option
    else:
        assert kind == "boolean", f"{option} is of the kind {kind}"
        assert not values


def _json(shape: object, value: object, option: str) -> None:
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict)
        assert value.keys() <= shape.members.keys(), f"{option}: {sorted(value.keys() - shape.members.keys())}"
        assert set(shape.required_members) <= value.keys()
        for key, inner in value.items():
            _json(shape.members[key], inner, option)
    elif kind == "list":
        inner = value if isinstance(value, list) else str(value).split(",")
        for one in inner:
            _json(shape.member, one, option)
    elif kind == "map":
        assert isinstance(value, dict)
        for one in value.values():
            _json(shape.value, one, option)
    elif kind == "boolean":
        assert isinstance(value, bool), option
    elif kind == "string":
        assert isinstance(value, str), option
        if (shape.enum and not value.isupper()) or (shape.enum and "$" not in value):
            assert value in shape.enum, f"{option}: {value} is none of {shape.enum}"


def _variables(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.hcl" if folder.name == "packer" else "*.tf"):
        for told in hcl2.loads(path.read_text()).get("variable", []):
            yield from (name.strip('"') for name in told)


@pytest.mark.parametrize("words", _commands("terraform"), ids=lambda words: " ".join(words[1:4]))
def test_terraform_knows_the_command(words: list[str]) -> None:
    folder = next(word for word in words if word.startswith("-chdir=")).removeprefix("-chdir=")
    assert (REPOSITORY / folder / "main.tf").exists()
    assert words[2] in {"init", "plan", "apply", "destroy", "output", "test", "state", "providers"}
    given = {match[1] for word in words if (match := re.match(r"-var=(\w+)=", word))}
    assert given <= set(_variables(REPOSITORY / folder))
    if words[2] == "output":
        outputs = (HCL / Path(folder).relative_to("deploy/terraform") / "outputs.tf").read_text()
        assert f'output "{words[-1]}"' in outputs


@pytest.mark.parametrize("words", _commands("packer"), ids=lambda words: " ".join(words[1:3]))
def test_packer_knows_the_command(words: list[str]) -> None:
    assert words[1] in {"init", "build"}
    assert (REPOSITORY / words[-1] / "power-nowcast.pkr.hcl").exists()
    given = {words[index + 1].split("=")[0] for index, word in enumerate(words) if word == "-var"}
    assert given <= set(_variables(REPOSITORY / "deploy/packer"))
    needed = {"version", "subnet_id", "wheel"}
    assert words[1] == "init" or needed <= given
