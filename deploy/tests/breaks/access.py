"""Faults of buckets, keys, roles and tags."""

from breaks.fault import BACKUPS, IAM, LOGS, PROD, SECURITY, STORAGE, Break

ROLE_POLICY = """
resource "aws_iam_role_policy_attachment" "further" {
  role       = aws_iam_role.machine["service"].name
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}

resource "aws_iam_role_policy" "tables" {"""

BUCKETS = [
    Break(
        "every_bucket_has_all_its_rules",
        "dev",
        STORAGE,
        'resource "aws_s3_bucket_ownership_controls" "tables" {\n  bucket = aws_s3_bucket.tables.id',
        'resource "aws_s3_bucket_ownership_controls" "tables" {\n  bucket = "other"',
    ),
    Break(
        "buckets_are_named_after_environment_and_account",
        "dev",
        STORAGE,
        '= "${var.name}-tables-${var.account_id}"',
        '= "${var.name}-tables-${var.account_id}-x"',
    ),
    Break(
        "buckets_keep_versions",
        "prod",
        STORAGE,
        '    status = "Enabled"\n  }\n}\n\nresource',
        '    status = "Suspended"\n  }\n}\n\nresource',
    ),
    Break(
        "buckets_are_encrypted_with_the_key_of_the_environment",
        "dev",
        STORAGE,
        '      sse_algorithm     = "aws:kms"\n      kms_master_key_id = aws_kms_key.this.arn',
        '      sse_algorithm     = "AES256"',
    ),
    *(
        Break("buckets_are_never_public", "dev", STORAGE, old, new)
        for old, new in (
            ("block_public_policy     = true", "block_public_policy     = false"),
            ("restrict_public_buckets = true", "restrict_public_buckets = false"),
            ('"BucketOwnerEnforced"', '"ObjectWriter"'),
        )
    ),
    *(
        Break("buckets_speak_tls_only", "prod", STORAGE, old, new)
        for old, new in (
            ('"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"'),
            ('"s3:TlsVersion" = "1.2"', '"s3:TlsVersion" = "1.0"'),
        )
    ),
    *(
        Break("what_was_replaced_ends_and_what_is_current_stays", "dev", STORAGE, old, new)
        for old, new in (
            ("    noncurrent_version_expiration {\n      noncurrent_days = 30\n    }\n", ""),
            ("    abort_incomplete_multipart_upload {\n      days_after_initiation = 7\n    }\n", ""),
            (
                "    noncurrent_version_expiration",
                "    expiration {\n      days = 90\n    }\n\n    noncurrent_version_expiration",
            ),
        )
    ),
    Break("keys_rotate", "dev", STORAGE, "enable_key_rotation     = true", "enable_key_rotation     = false"),
]

ACCESS = [
    Break("actions_of_roles_are_named_one_by_one", "dev", IAM, '"s3:AbortMultipartUpload", ', '"s3:Put*", '),
    Break("actions_of_roles_are_named_one_by_one", "vpc", LOGS, '"logs:PutLogEvents"]', '"logs:*"]'),
    Break(
        "resources_of_roles_are_named_but_where_aws_has_none",
        "prod",
        IAM,
        '"logs:PutLogEvents"]\n        Resource = ',
        '"logs:PutLogEvents"]\n        Resource = "*" # ',
    ),
    Break(
        "resources_of_roles_are_named_but_where_aws_has_none",
        "dev",
        IAM,
        '"arn:aws:ec2:${var.region}:${var.account_id}:instance/*"',
        '"*"',
    ),
    Break(
        "roles_reach_only_what_is_their_own",
        "dev",
        IAM,
        'Resource = "arn:aws:s3:::${var.bucket}/*"',
        'Resource = "arn:aws:s3:::ec2-linux-nvidia-drivers/*"',
    ),
    Break(
        "roles_reach_only_what_is_their_own",
        "prod",
        IAM,
        "parameter/${var.name}/${each.key}/*",
        "parameter/power-nowcast-dev/${each.key}/*",
    ),
    Break(
        "snapshots_are_made_and_deleted_of_own_disks_only",
        "dev",
        BACKUPS,
        '        Action   = "ec2:DeleteSnapshot"\n        Resource = "arn:aws:ec2:${var.region}::snapshot/*"\n'
        '        Condition = { StringEquals = {\n          "aws:ResourceTag/Backup" = var.name\n        } }\n',
        '        Action   = "ec2:DeleteSnapshot"\n        Resource = "arn:aws:ec2:${var.region}::snapshot/*"\n',
    ),
    Break(
        "roles_have_the_policies_that_stand_here_and_no_other",
        "dev",
        IAM,
        '\nresource "aws_iam_role_policy" "tables" {',
        ROLE_POLICY,
    ),
    Break(
        "roles_have_the_policies_that_stand_here_and_no_other",
        "prod",
        IAM,
        'role = aws_iam_role.machine["service"].name',
        'role = aws_iam_role.machine["mlflow"].name',
    ),
    Break(
        "roles_are_taken_by_their_service_of_aws_only",
        "vpc",
        LOGS,
        '"vpc-flow-logs.amazonaws.com"',
        '"ec2.amazonaws.com"',
    ),
    Break(
        "roles_are_taken_by_their_service_of_aws_only", "dev", IAM, '{ Service = "ec2.amazonaws.com" }', '{ AWS = "*" }'
    ),
    Break(
        "older_agents_are_served_only_while_switched_on",
        "dev",
        IAM,
        "var.ec2messages ? local.older_agents : []",
        "local.older_agents",
        ("-var=ec2messages=false",),
    ),
    Break(
        "keys_are_given_to_the_account_and_its_log_groups_only",
        "dev",
        STORAGE,
        "log-group:/${var.name}/*",
        "log-group:*",
    ),
    Break(
        "keys_are_given_to_the_account_and_its_log_groups_only",
        "prod",
        STORAGE,
        '{ AWS = "arn:aws:iam::${var.account_id}:root" }',
        '{ AWS = "*" }',
    ),
    Break("everything_is_tagged", "vpc", "vpc/main.tf", '      Environment = "shared"\n', ""),
    Break("everything_is_tagged", "prod", PROD, 'Environment = "prod"', 'Environment = "dev"'),
    Break("everything_is_tagged", "dev", SECURITY, '  tags = { Name = "${var.name}-service-to-s3" }\n', ""),
]
