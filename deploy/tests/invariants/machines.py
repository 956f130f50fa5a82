"""Machines: types, metadata, disks, logs, backups, what they are told."""

from collections.abc import Iterator

from invariants.plan import Plan, Resource, invariant

TYPES = {
    "dev": {"power-nowcast-dev-service": "g6f.xlarge", "power-nowcast-dev-mlflow": "t3.medium"},
    "prod": {"power-nowcast-prod-service": "g6.xlarge", "power-nowcast-prod-mlflow": "t3.medium"},
}
SECRET = ("PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
PARAMETERS = {
    "service": {"AWS_REGION", "MLFLOW_TRACKING_URI", "NOWCAST_DATA", "NOWCAST_OWNER", "NOWCAST_REGION"},
    "mlflow": {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_TRACKING_URI", "NOWCAST_HOST", "NOWCAST_MLFLOW_PORT"},
}
RETENTION_DAYS = {"vpc": 30, "dev": 30, "prod": 365}


@invariant("dev", "prod")
def machines_are_of_the_types_that_they_should_be(plan: Plan) -> Iterator[str]:
    found = {one.name: one.values["instance_type"] for one in plan.resources("aws_instance")}
    if found != TYPES[plan.root]:
        yield f"machines: {found}"


@invariant("dev", "prod")
def machines_stand_in_a_private_subnet(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_instance"):
        if one.values["subnet_id"] != "subnet-a":
            yield f"{one.address} is in {one.values['subnet_id']}"


@invariant("dev", "prod")
def nobody_comes_by_ssh(plan: Plan) -> Iterator[str]:
    yield from (f"{one.address} is a key pair" for one in plan.resources("aws_key_pair"))
    yield from (f"{one.address} has a key pair" for one in plan.resources("aws_instance") if one.values["key_name"])


@invariant("dev", "prod")
def metadata_take_a_token_and_one_hop(plan: Plan) -> Iterator[str]:
    wanted = {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1}
    for one in plan.resources("aws_instance"):
        told = (one.values["metadata_options"] or [{}])[0]
        if {key: told.get(key) for key in wanted} != wanted:
            yield f"{one.address} has the metadata options {told}"


@invariant("dev", "prod")
def disks_are_encrypted_with_the_key_of_the_environment(plan: Plan) -> Iterator[str]:
    disks = [(one.address, disk) for one in plan.resources("aws_instance") for disk in _disks(one)]
    disks += [(one.address, one.values) for one in plan.resources("aws_ebs_volume")]
    if len(disks) != 3:
        yield f"{len(disks)} disks"
    for address, disk in disks:
        if disk["encrypted"] is not True or disk["kms_key_id"] != _key(plan):
            yield f"a disk of {address} is not encrypted with the environment's key"


@invariant("vpc", "dev", "prod")
def logs_end_after_the_days_of_the_root(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_cloudwatch_log_group"):
        if one.values["retention_in_days"] != RETENTION_DAYS[plan.root]:
            yield f"{one.address} is kept for {one.values['retention_in_days']} days"


@invariant("dev", "prod")
def logs_of_machines_are_encrypted_with_the_key_of_the_environment(plan: Plan) -> Iterator[str]:
    names = {one.values["name"] for one in plan.resources("aws_cloudwatch_log_group")}
    if names != {f"/{plan.environment}/service", f"/{plan.environment}/mlflow"}:
        yield f"log groups: {sorted(names)}"
    for one in plan.resources("aws_cloudwatch_log_group"):
        if one.values["kms_key_id"] != _key(plan):
            yield f"{one.address} is not encrypted with the environment's key"


@invariant("dev", "prod")
def the_disk_of_mlflow_is_attached_and_backed_up(plan: Plan) -> Iterator[str]:
    ids = {one.values["volume_id"]: one.values["instance_id"] for one in plan.resources("aws_volume_attachment")}
    targets = [
        (details["target_tags"], details["schedule"][0]["retain_rule"][0]["count"])
        for one in plan.resources("aws_dlm_lifecycle_policy")
        for details in one.values["policy_details"]
        if one.values["state"] == "ENABLED"
    ]
    for one in plan.resources("aws_ebs_volume"):
        if ids.get(one.values["id"]) != f"aws_instance.{plan.environment}-mlflow.id":
            yield f"{one.address} is not attached to MLflow's machine"
        if not any(tags.items() <= one.values["tags_all"].items() and count >= 7 for tags, count in targets):
            yield f"{one.address} is not backed up for a week"


@invariant("dev", "prod")
def a_changed_start_makes_a_new_machine(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_instance"):
        if one.values["user_data_replace_on_change"] is not True:
            yield f"{one.address} would be changed in place, and user data runs only once"


@invariant("dev", "prod")
def parameters_are_those_that_the_services_read(plan: Plan) -> Iterator[str]:
    found = {one.values["name"] for one in plan.resources("aws_ssm_parameter")}
    wanted = {f"/{plan.environment}/{machine}/{name}" for machine, names in PARAMETERS.items() for name in names}
    yield from (f"{name} is missing or not known" for name in sorted(found ^ wanted))


@invariant("dev", "prod")
def no_secret_stands_in_the_state(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_ssm_parameter"):
        last = one.values["name"].rsplit("/", 1)[-1]
        if one.values["type"] != "String" or any(word in last for word in SECRET):
            yield f"{one.address} would write a secret into the state"
    for one in plan.resources("aws_instance"):
        if any(word in one.values["user_data"].upper() for word in SECRET):
            yield f"{one.address} is told a secret"


@invariant("dev", "prod")
def services_listen_to_those_who_should_ask(plan: Plan) -> Iterator[str]:
    """The service listens on its own machine, by default; MLflow listens to the service, which knows its address."""
    values = {one.values["name"]: one.values["value"] for one in plan.resources("aws_ssm_parameter")}
    at = f"http://aws_instance.{plan.environment}-mlflow.private_ip:5001"
    if f"/{plan.environment}/service/NOWCAST_HOST" in values:
        yield "the service listens to other machines"
    if values.get(f"/{plan.environment}/service/MLFLOW_TRACKING_URI", at) != at:
        yield "the service asks another MLflow"
    if values.get(f"/{plan.environment}/mlflow/NOWCAST_MLFLOW_PORT", "5001") != "5001":
        yield "MLflow listens on another port than the security group lets in"


@invariant("prod")
def production_is_not_deleted_by_mistake(plan: Plan) -> Iterator[str]:
    wanted = {
        "aws_instance": ("disable_api_termination", True),
        "aws_ebs_volume": ("final_snapshot", True),
        "aws_s3_bucket": ("force_destroy", False),
        "aws_kms_key": ("deletion_window_in_days", 30),
    }
    for kind, (argument, value) in wanted.items():
        for one in plan.resources(kind):
            if one.values[argument] != value:
                yield f"{one.address}: {argument} is {one.values[argument]}"


def _disks(machine: Resource) -> list[dict[str, object]]:
    return [*(machine.values["root_block_device"] or []), *(machine.values["ebs_block_device"] or [])]


def _key(plan: Plan) -> str:
    return f"aws_kms_key.{plan.environment}.arn"
