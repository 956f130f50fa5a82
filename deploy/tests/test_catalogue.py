"""Facts of AWS that the HCL and the documents rely on, compared with the catalogue of EC2 that moto brings along."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from invariants.machines import TYPES
from terraform import HCL, TESTS

DOCUMENT = TESTS.parents[1] / "docs/aws.md"


@pytest.fixture(scope="module")
def ec2() -> Iterator[Any]:
    with mock_aws():
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        yield boto3.client("ec2", region_name="us-west-2", **keys)


def _types(ec2: Any) -> dict[str, dict[str, Any]]:
    names = sorted({name for types in TYPES.values() for name in types.values()})
    return {one["InstanceType"]: one for one in ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]}


def test_machines_are_what_the_documents_say(ec2: Any) -> None:
    told = DOCUMENT.read_text()
    rows = dict(re.findall(r"^\| `((?:g6|g6f|t3)\.\w+)` \| (.*) \|$", told, re.MULTILINE))
    found = {}
    for name, one in _types(ec2).items():
        gpu = one.get("GpuInfo", {}).get("TotalGpuMemoryInMiB", 0)
        memory = one["MemoryInfo"]["SizeInMiB"] // 1024
        found[name] = f"{one['VCpuInfo']['DefaultVCpus']} | {memory} GiB | {f'{gpu:,} MiB' if gpu else 'none'}"
    assert {name: " | ".join(row.split(" | ")[:3]) for name, row in rows.items()} == found


def test_every_zone_that_may_be_named_offers_them(ec2: Any) -> None:
    allowed = re.search(r"us-west-2\[(\w)-(\w)\]", (HCL / "vpc/variables.tf").read_text())
    zones = {f"us-west-2{chr(letter)}" for letter in range(ord(allowed[1]), ord(allowed[2]) + 1)}
    for name in _types(ec2):
        filters = [{"Name": "instance-type", "Values": [name]}]
        asked = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=filters)
        assert zones <= {one["Location"] for one in asked["InstanceTypeOfferings"]}, name


def test_machines_are_nitro_so_that_disks_have_the_names_that_are_looked_for(ec2: Any) -> None:
    for name, one in _types(ec2).items():
        assert one["Hypervisor"] == "nitro", name
        assert one["EbsInfo"]["NvmeSupport"] in {"required", "supported"}, name
        assert one["EbsInfo"]["EbsOptimizedSupport"] in {"default", "supported"}, name
