"""Buckets and keys."""

import json
from collections.abc import Iterator

from invariants.plan import Plan, as_list, invariant, statements

BLOCKS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
OF_A_BUCKET = {
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
}


@invariant("dev", "prod")
def every_bucket_has_all_its_rules(plan: Plan) -> Iterator[str]:
    buckets = sorted(one.values["id"] for one in plan.resources("aws_s3_bucket"))
    if len(buckets) != 1:
        yield f"buckets: {buckets}"
    for kind in sorted(OF_A_BUCKET):
        if (found := sorted(one.values["bucket"] for one in plan.resources(kind))) != buckets:
            yield f"{kind} holds for {found}"


@invariant("dev", "prod")
def buckets_are_named_after_environment_and_account(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_s3_bucket"):
        if one.values["bucket"] != f"{plan.environment}-tables-123456789012":
            yield f"{one.address} is called {one.values['bucket']}"


@invariant("dev", "prod")
def buckets_keep_versions(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_s3_bucket_versioning"):
        if one.values["versioning_configuration"][0]["status"] != "Enabled":
            yield f"{one.address} keeps no versions"


@invariant("dev", "prod")
def buckets_are_encrypted_with_the_key_of_the_environment(plan: Plan) -> Iterator[str]:
    wanted = {"sse_algorithm": "aws:kms", "kms_master_key_id": f"aws_kms_key.{plan.environment}.arn"}
    for one in plan.resources("aws_s3_bucket_server_side_encryption_configuration"):
        found = one.values["rule"][0]["apply_server_side_encryption_by_default"][0]
        if found != wanted:
            yield f"{one.address} encrypts by {found}"


@invariant("dev", "prod")
def buckets_are_never_public(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_s3_bucket_public_access_block"):
        yield from (f"{one.address}: {block} is off" for block in BLOCKS if one.values[block] is not True)
    for one in plan.resources("aws_s3_bucket_ownership_controls"):
        if one.values["rule"][0]["object_ownership"] != "BucketOwnerEnforced":
            yield f"{one.address} allows access lists"
    for one in plan.resources("aws_s3_bucket_policy"):
        yield from (f"{one.address} allows" for told in statements(one.values["policy"]) if told["Effect"] != "Deny")


@invariant("dev", "prod")
def buckets_speak_tls_only(plan: Plan) -> Iterator[str]:
    wanted = [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}]
    for one in plan.resources("aws_s3_bucket_policy"):
        name = json.loads(one.values["policy"])["Statement"][0]["Resource"][0].removeprefix("arn:aws:s3:::")
        whole = {f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"}
        found = [
            told.get("Condition")
            for told in statements(one.values["policy"])
            if told["Effect"] == "Deny"
            and told["Principal"] == {"AWS": "*"}
            and told["Action"] == "s3:*"
            and set(as_list(told["Resource"])) == whole
        ]
        yield from (f"{one.address} does not deny {condition}" for condition in wanted if condition not in found)


@invariant("dev", "prod")
def what_was_replaced_ends_and_what_is_current_stays(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_s3_bucket_lifecycle_configuration"):
        rules = [rule for rule in one.values["rule"] if rule["status"] == "Enabled"]
        if not any(_days(rule, "noncurrent_version_expiration", "noncurrent_days") for rule in rules):
            yield f"{one.address} keeps replaced objects for ever"
        if not any(_days(rule, "abort_incomplete_multipart_upload", "days_after_initiation") for rule in rules):
            yield f"{one.address} keeps unfinished uploads for ever"
        if any(rule["expiration"] for rule in rules):
            yield f"{one.address} deletes current objects"


@invariant("dev", "prod")
def keys_rotate(plan: Plan) -> Iterator[str]:
    for one in plan.resources("aws_kms_key"):
        if one.values["enable_key_rotation"] is not True:
            yield f"{one.address} does not rotate"


def _days(rule: dict[str, list[dict[str, int]]], block: str, days: str) -> int:
    return rule[block][0][days] if rule.get(block) else 0
