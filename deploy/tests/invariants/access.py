"""Who may do what: policies of roles and keys, and the tags that costs and cleaning go by."""

from collections.abc import Iterator
from typing import Any

from invariants.plan import ACCOUNT, REGION, Plan, as_list, invariant, statements

WITHOUT_RESOURCE = {
    # AWS's list of actions gives these no resource to name.
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ec2:DescribeInstances",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes",
}
TRUSTED = {
    "ml-dev-flow": "vpc-flow-logs.amazonaws.com",
    "service": "ec2.amazonaws.com",
    "mlflow": "ec2.amazonaws.com",
    "backups": "dlm.amazonaws.com",
}
POLICIES = {"service": ["own-parameters-and-logs", "session-manager", "tables"], "backups": ["snapshots"]}
POLICIES |= {"mlflow": ["own-parameters-and-logs", "session-manager"], "ml-dev-flow": ["write-flow-logs"]}
OTHER_KINDS = ("aws_iam_policy", "aws_iam_role_policy_attachment", "aws_iam_user", "aws_iam_access_key")
TAGS = {"Project", "Environment", "ManagedBy", "Name"}
ENDINGS = ("/*", ":*")
"""A star at the end of these resources means: all in one bucket, path, log group or kind."""


@invariant("vpc", "dev", "prod")
def actions_of_roles_are_named_one_by_one(plan: Plan) -> Iterator[str]:
    for address, told in _of_roles(plan):
        yield from (f"{address} allows {action}" for action in as_list(told["Action"]) if "*" in action)


@invariant("vpc", "dev", "prod")
def resources_of_roles_are_named_but_where_aws_has_none(plan: Plan) -> Iterator[str]:
    for address, told in _of_roles(plan):
        for resource in as_list(told["Resource"]):
            bare = resource.removesuffix("*") if resource.endswith(ENDINGS) else resource
            if "*" in bare and not (resource == "*" and set(as_list(told["Action"])) <= WITHOUT_RESOURCE):
                yield f"{address} allows {told['Action']} on {resource}"


@invariant("vpc", "dev", "prod")
def roles_reach_only_what_is_their_own(plan: Plan) -> Iterator[str]:
    """Own names, in the own account and region. No role that machines run with reads the bucket of GRID drivers."""
    for address, told in _of_roles(plan):
        machine = address.split('"')[1] if '"' in address else "backups"
        own = (
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{plan.environment}/{machine}",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/{plan.environment}/{machine}:",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ml-dev/flow:",
            f"arn:aws:s3:::{plan.environment}-tables-{ACCOUNT}",
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/",
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/",
            f"arn:aws:ec2:{REGION}::snapshot/",
            f"aws_kms_key.{plan.environment}.arn",
        )
        for resource in as_list(told["Resource"]):
            if resource != "*" and not resource.startswith(own):
                yield f"{address} reaches {resource}"


@invariant("vpc", "dev", "prod")
def snapshots_are_made_and_deleted_of_own_disks_only(plan: Plan) -> Iterator[str]:
    for address, told in _of_roles(plan):
        touches = {"ec2:CreateSnapshot", "ec2:DeleteSnapshot"} & set(as_list(told["Action"]))
        makes = touches == {"ec2:CreateSnapshot"} and "snapshot/" in str(told["Resource"])
        mine = {"StringEquals": {"aws:ResourceTag/Backup": plan.environment}}
        if touches and not makes and told.get("Condition") != mine:
            yield f"{address} allows {sorted(touches)} on disks of others"


@invariant("vpc", "dev", "prod")
def roles_have_the_policies_that_stand_here_and_no_other(plan: Plan) -> Iterator[str]:
    yield from (f"{one.address} is another way to grant" for one in plan.resources(*OTHER_KINDS))
    for role in plan.resources("aws_iam_role"):
        named = role.values["name"].removeprefix(f"{plan.environment}-")
        found = [
            one.values["name"]
            for one in plan.resources("aws_iam_role_policy")
            if one.values["role"] == role.values["name"]
        ]
        if sorted(found) != POLICIES.get(named) or role.values["managed_policy_arns"]:
            yield f"{role.address} has the policies {sorted(found)}, {role.values['managed_policy_arns']}"


@invariant("vpc", "dev", "prod")
def roles_are_taken_by_their_service_of_aws_only(plan: Plan) -> Iterator[str]:
    for role in plan.resources("aws_iam_role"):
        trusted = {"Service": TRUSTED.get(role.values["name"].removeprefix(f"{plan.environment}-"))}
        for told in statements(role.values["assume_role_policy"]):
            if told["Principal"] != trusted or told["Action"] != "sts:AssumeRole":
                yield f"{role.address} is taken by {told['Principal']}"


@invariant("dev", "prod")
def older_agents_are_served_only_while_switched_on(plan: Plan) -> Iterator[str]:
    found = {action for _, told in _of_roles(plan) for action in as_list(told["Action"])}
    if any(action.startswith("ec2messages:") for action in found) != plan.variable("ec2messages"):
        yield "the switch ec2messages does not decide"


@invariant("dev", "prod")
def keys_are_given_to_the_account_and_its_log_groups_only(plan: Plan) -> Iterator[str]:
    """In a key's policy the resource `*` is the key itself."""
    account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    logs = {"Service": f"logs.{REGION}.amazonaws.com"}
    groups = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/{plan.environment}/*"}
    for one in plan.resources("aws_kms_key"):
        found = statements(one.values["policy"])
        if [told["Principal"] for told in found] != [account, logs]:
            yield f"{one.address} is given to {[told['Principal'] for told in found]}"
        elif found[1].get("Condition") != {"ArnLike": groups} or "kms:*" in as_list(found[1]["Action"]):
            yield f"{one.address} is given to other log groups"


@invariant("vpc", "dev", "prod")
def everything_is_tagged(plan: Plan) -> Iterator[str]:
    project = {"vpc": ("ml-dev", "shared")}.get(plan.root, ("power-nowcast", plan.root))
    for one in plan.resources():
        if "tags_all" in one.values:
            tags = one.values["tags_all"]
            right = (tags.get("Project"), tags.get("Environment"), tags.get("ManagedBy")) == (*project, "terraform")
            if not (tags.keys() >= TAGS and right):
                yield f"{one.address} has the tags {tags}"


def _of_roles(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of a role's policies, with the address of the policy."""
    for one in plan.resources("aws_iam_role_policy"):
        for told in statements(one.values["policy"]):
            yield one.address, told
    for role in plan.resources("aws_iam_role"):
        for inline in role.values["inline_policy"] or []:
            for told in statements(inline["policy"]):
                yield role.address, told
