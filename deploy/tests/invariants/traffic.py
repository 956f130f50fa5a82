"""Security groups: what may come in, and where machines may go."""

from collections.abc import Iterator

from invariants.plan import Plan, Resource, invariant

INGRESS, EGRESS = "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"
OLDER_KINDS = ("aws_security_group_rule", "aws_default_network_acl", "aws_network_acl_rule")
MLFLOW = 5001
SOURCES = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id")


@invariant("vpc", "dev", "prod")
def only_https_of_the_vpc_and_mlflow_of_the_service_come_in(plan: Plan) -> Iterator[str]:
    allowed = {
        "vpc": [("ml-dev-endpoints", "10.20.0.0/16", 443)],
        "dev": [("power-nowcast-dev-mlflow", _group("power-nowcast-dev-service"), MLFLOW)],
        "prod": [("power-nowcast-prod-mlflow", _group("power-nowcast-prod-service"), MLFLOW)],
    }[plan.root]
    names = {one.values["id"]: one.name for one in plan.resources("aws_security_group")}
    found = [(names.get(one.values["security_group_id"]), _peer(one), _port(one)) for one in plan.resources(INGRESS)]
    if found != allowed:
        yield f"ingress rules: {found}, allowed: {allowed}"


@invariant("vpc", "dev", "prod")
def rules_of_traffic_stand_in_one_kind_of_resource(plan: Plan) -> Iterator[str]:
    yield from (f"{one.address} is an older kind of rule" for one in plan.resources(*OLDER_KINDS))
    for one in plan.resources("aws_security_group"):
        if one.values.get("ingress") or one.values.get("egress"):
            yield f"{one.address} has rules inside"


@invariant("vpc", "dev", "prod")
def rules_of_traffic_say_what_they_are_for(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_security_group", INGRESS, EGRESS):
        if not one.values["description"] or one.values["description"] == "Managed by Terraform":
            yield f"{one.address} has no description"


@invariant("dev", "prod")
def machines_go_out_to_named_places_only(plan: Plan) -> Iterator[str]:
    service, mlflow = (_group(f"{plan.environment}-{machine}") for machine in ("service", "mlflow"))
    allowed = {
        (service, mlflow, MLFLOW),
        (service, "sg-endpoints", 443),
        (service, "pl-s3", 443),
        (mlflow, "sg-endpoints", 443),
    }
    if plan.variable("publishers"):
        allowed |= {(service, "0.0.0.0/0", 80), (service, "0.0.0.0/0", 443)}
    found = {(one.values["security_group_id"], _peer(one), _port(one)) for one in plan.resources(EGRESS)}
    yield from (f"{one} is not a place to go" for one in sorted(found - allowed, key=str))
    yield from (f"{one} cannot be reached" for one in sorted(allowed - found))


@invariant("dev", "prod")
def each_machine_has_its_own_group_and_profile(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_instance"):
        if one.values["vpc_security_group_ids"] != [_group(one.name)]:
            yield f"{one.address} is in {one.values['vpc_security_group_ids']}"
        if one.values["iam_instance_profile"] != one.name:
            yield f"{one.address} has the profile {one.values['iam_instance_profile']}"
    for one in plan.resources("aws_iam_instance_profile"):
        if one.values["role"] != one.name:
            yield f"{one.address} gives the role {one.values['role']}"


def _group(name: str) -> str:
    return f"aws_security_group.{name}.id"


def _peer(rule: Resource) -> str:
    return "|".join(str(rule.values[key]) for key in SOURCES if rule.values.get(key))


def _port(rule: Resource) -> int | str:
    """The only port of a TCP rule, or else its protocol and range."""
    protocol, first, last = (rule.values[key] for key in ("ip_protocol", "from_port", "to_port"))
    return int(first) if protocol == "tcp" and first == last and first is not None else f"{protocol} {first}-{last}"
