"""The plans keep every invariant, and each invariant fails, it alone, when the HCL breaks it."""

from collections.abc import Callable

import pytest

from breaks import BREAKS, Break
from invariants import INVARIANTS, Plan, broken
from terraform import Terraform

VARIANTS = [
    ("vpc",),
    ("vpc", "-var=nat=false"),
    ("vpc", "-var=ec2messages=false"),
    ("vpc", '-var=further_endpoints=["ecr.api"]', '-var=zones=["us-west-2c"]'),
    ("dev",),
    ("dev", "-var=publishers=false"),
    ("dev", "-var=ec2messages=false"),
    ("prod",),
    ("prod", "-var=publishers=false"),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_the_plan_keeps_every_invariant(plans: Callable[..., Plan], variant: tuple[str, ...]) -> None:
    plan = plans(*variant)
    assert len(plan.resources()) >= 16
    assert not broken(plan)


def test_every_invariant_is_broken_on_purpose() -> None:
    assert {one.invariant for one in BREAKS} == INVARIANTS.keys()
    assert len(INVARIANTS) >= 45


@pytest.mark.parametrize("fault", BREAKS, ids=lambda fault: fault.label)
def test_a_fault_fails_its_invariant_alone(broken_copy: Terraform, fault: Break) -> None:
    file = broken_copy.hcl / fault.file
    text = file.read_text()
    assert fault.old in text, "the table of faults names a text that is not there"
    file.write_text(text.replace(fault.old, fault.new))
    found = broken(Plan(fault.root, broken_copy.plan(fault.root, *fault.variables)))
    assert found.keys() == {fault.invariant}, found
