"""Networks: one VPC, private subnets, endpoints, and a way out only where it is switched on."""

from collections.abc import Iterator

from invariants.plan import ACCOUNT, REGION, Plan, Resource, as_list, invariant, statements

BUCKETS_OF_AWS = {"arn:aws:s3:::ec2-linux-nvidia-drivers", "arn:aws:s3:::ec2-linux-nvidia-drivers/*"}
TRAFFIC = {"aws_route", "aws_internet_gateway", "aws_nat_gateway", "aws_eip"}


@invariant("vpc", "dev", "prod")
def everything_is_in_one_region(plan: Plan) -> Iterator[str]:
    region = plan.told["configuration"]["provider_config"]["aws"]["expressions"]["region"]
    if region != {"references": ["var.region"]} or plan.variable("region") != REGION:
        yield f"the provider's region is {region}"
    for one in plan.resources():
        if one.values.get("region") not in {None, REGION}:
            yield f"{one.address} is in {one.values['region']}"
        if not (one.values.get("availability_zone") or REGION).startswith(REGION):
            yield f"{one.address} is in {one.values['availability_zone']}"


@invariant("vpc", "dev", "prod")
def the_only_network_is_the_vpc_ml_dev(plan: Plan) -> Iterator[str]:
    names = [one.name for one in plan.resources("aws_vpc")]
    if names != (["ml-dev"] if plan.root == "vpc" else []):
        yield f"the VPCs of {plan.root} are {names}"
    if plan.root != "vpc":
        yield from (f"{one.address} belongs to the network" for one in plan.resources("aws_subnet", *TRAFFIC))


@invariant("vpc")
def private_subnets_never_meet_an_internet_gateway(plan: Plan) -> Iterator[str]:
    to_internet = {one.values["route_table_id"] for one in plan.resources("aws_route") if one.values["gateway_id"]}
    tables = {one.values["subnet_id"]: one.values["route_table_id"] for one in _associations(plan)}
    for subnet in _private(plan):
        if subnet.values["id"] not in tables:
            yield f"{subnet.address} has the VPC's main route table"
        elif tables[subnet.values["id"]] in to_internet:
            yield f"{subnet.address} has a route to an internet gateway"


@invariant("vpc")
def without_nat_nothing_leads_out(plan: Plan) -> Iterator[str]:
    if not plan.variable("nat"):
        yield from (f"{one.address} is there without NAT" for one in plan.resources(*TRAFFIC))


@invariant("vpc")
def with_nat_private_subnets_reach_it(plan: Plan) -> Iterator[str]:
    if not plan.variable("nat"):
        return
    reached = {one.values["route_table_id"] for one in plan.resources("aws_route") if one.values["nat_gateway_id"]}
    for one in _associations(plan):
        if ".private" in one.address and one.values["route_table_id"] not in reached:
            yield f"{one.address} has no route to the NAT gateway"


@invariant("vpc")
def private_subnets_lie_in_every_zone(plan: Plan) -> Iterator[str]:
    zones = sorted(one.values["availability_zone"] for one in _private(plan))
    if zones != sorted(plan.variable("zones")):
        yield f"private subnets are in {zones}"


@invariant("vpc", "dev", "prod")
def nothing_has_a_public_address(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_subnet"):
        if one.values["map_public_ip_on_launch"] is not False:
            yield f"{one.address} gives machines a public address"
    for one in plan.resources("aws_instance"):
        if one.values["associate_public_ip_address"] is not False:
            yield f"{one.address} has a public address"
    yield from (f"{one.address} is not the NAT's" for one in plan.resources("aws_eip") if one.name != "ml-dev-nat")


@invariant("vpc")
def endpoints_of_the_services_are_there(plan: Plan) -> Iterator[str]:
    wanted = {"ssm", "ssmmessages", "logs", *plan.variable("further_endpoints")}
    wanted |= {"ec2messages"} if plan.variable("ec2messages") else set()
    found = {_service(one) for one in _interfaces(plan)}
    if found != wanted:
        yield f"interface endpoints: {sorted(found)}, wanted: {sorted(wanted)}"
    for one in plan.resources("aws_vpc_endpoint"):
        if not one.values["service_name"].startswith(f"com.amazonaws.{REGION}."):
            yield f"{one.address} is an endpoint of {one.values['service_name']}"


@invariant("vpc")
def interface_endpoints_answer_by_their_public_names_in_every_private_subnet(plan: Plan) -> Iterator[str]:
    subnets = {one.values["id"] for one in _private(plan)}
    for one in _interfaces(plan):
        if one.values["private_dns_enabled"] is not True:
            yield f"{one.address} has no private DNS"
        if set(one.values["subnet_ids"]) != subnets:
            yield f"{one.address} is in {one.values['subnet_ids']}"


@invariant("vpc")
def s3_is_reached_by_a_gateway_from_private_subnets(plan: Plan) -> Iterator[str]:
    gateways = [one for one in plan.resources("aws_vpc_endpoint") if one.values["vpc_endpoint_type"] == "Gateway"]
    if [_service(one) for one in gateways] != ["s3"]:
        yield f"gateway endpoints: {[one.address for one in gateways]}"
    reached = {table for one in gateways for table in one.values["route_table_ids"] or []}
    for one in _associations(plan):
        if ".private" in one.address and one.values["route_table_id"] not in reached:
            yield f"{one.address} does not reach S3"


@invariant("vpc")
def endpoints_let_in_the_own_account_only(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_vpc_endpoint"):
        for told in statements(one.values["policy"]) if one.values["policy"] else [{}]:
            if _equals(told).get("aws:PrincipalAccount") != ACCOUNT:
                yield f"{one.address} lets in other accounts"


@invariant("vpc")
def the_s3_endpoint_reaches_own_buckets_and_listed_ones_of_aws(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_vpc_endpoint"):
        for told in statements(one.values["policy"] or '{"Statement": []}') if _service(one) == "s3" else []:
            own = _equals(told).get("aws:ResourceAccount") == ACCOUNT
            reads = set(as_list(told["Action"])) <= {"s3:GetObject", "s3:ListBucket"}
            if not own and not (reads and set(as_list(told["Resource"])) <= BUCKETS_OF_AWS):
                yield f"{one.address} reaches {told['Resource']}"


@invariant("vpc")
def the_traffic_of_the_vpc_is_logged(plan: Plan) -> Iterator[str]:
    found = [(one.values["vpc_id"], one.values["traffic_type"]) for one in plan.resources("aws_flow_log")]
    if found != [(vpc.values["id"], "ALL") for vpc in plan.resources("aws_vpc")]:
        yield f"flow logs: {found}"


@invariant("vpc")
def the_default_security_group_is_closed(plan: Plan) -> Iterator[str]:
    found = plan.resources("aws_default_security_group")
    if len(found) != 1 or found[0].values.get("ingress") or found[0].values.get("egress"):
        yield "the default security group lets something in or out"


def _private(plan: Plan) -> list[Resource]:
    return [one for one in plan.resources("aws_subnet") if one.values["tags_all"].get("Tier") == "private"]


def _associations(plan: Plan) -> list[Resource]:
    return plan.resources("aws_route_table_association")


def _interfaces(plan: Plan) -> list[Resource]:
    return [one for one in plan.resources("aws_vpc_endpoint") if one.values["vpc_endpoint_type"] == "Interface"]


def _service(endpoint: Resource) -> str:
    return str(endpoint.values["service_name"]).split(".", 3)[-1]


def _equals(statement: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    return statement.get("Condition", {}).get("StringEquals", {})
