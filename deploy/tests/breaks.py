"""Faults planted in a copy of the HCL, each with the one invariant that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """A text of a file that is replaced, the root that is planned, and the invariant that fails then."""

    invariant: str
    root: str
    file: str
    old: str
    new: str
    variables: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A name for the test."""
        return f"{self.invariant}-{self.root}-{' '.join(self.new.split())[:40] or 'removed'}"


VPC, NAT, ENDPOINTS, LOGS = (f"modules/vpc/{name}.tf" for name in ("main", "nat", "endpoints", "logs"))
SECURITY, IAM = "modules/security/main.tf", "modules/security/iam.tf"
COMPUTE, PARAMETERS, BACKUPS = (f"modules/compute/{name}.tf" for name in ("main", "parameters", "backups"))
STORAGE, DEV, PROD = "modules/storage/main.tf", "environments/dev/main.tf", "environments/prod/main.tf"
ROUTE_TO_INTERNET = """
resource "aws_route" "further" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "198.51.100.0/24"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "private_to_nat" {"""
ROLE_POLICY = """
resource "aws_iam_role_policy_attachment" "further" {
  role       = aws_iam_role.machine["service"].name
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}

resource "aws_iam_role_policy" "tables" {"""
FIRST_INSTANCE = """  instance_type               = var.service_type
"""

NETWORK = [
    Break("everything_is_in_one_region", "vpc", "vpc/main.tf", "region = var.region\n\n", 'region = "eu-west-1"\n\n'),
    Break("everything_is_in_one_region", "dev", DEV, "region = var.region\n\n", 'region = "us-east-1"\n\n'),
    Break(
        "everything_is_in_one_region",
        "prod",
        STORAGE,
        "  force_destroy",
        '  region        = "us-east-1"\n  force_destroy',
    ),
    Break(
        "everything_is_in_one_region",
        "dev",
        COMPUTE,
        "  availability_zone = var.zone",
        '  availability_zone = "us-east-1a"',
    ),
    Break("the_only_network_is_the_vpc_ml_dev", "vpc", VPC, "tags = { Name = var.name }", 'tags = { Name = "other" }'),
    Break(
        "the_only_network_is_the_vpc_ml_dev",
        "dev",
        SECURITY,
        'resource "aws_security_group" "service" {',
        'resource "aws_internet_gateway" "own" {\n  vpc_id = var.vpc_id\n  tags   = { Name = "own" }\n}\n\n'
        'resource "aws_security_group" "service" {',
    ),
    Break(
        "private_subnets_never_meet_an_internet_gateway",
        "vpc",
        NAT,
        '\nresource "aws_route" "private_to_nat" {',
        ROUTE_TO_INTERNET,
    ),
    Break(
        "without_nat_nothing_leads_out",
        "vpc",
        NAT,
        'resource "aws_eip" "nat" {\n  count = var.nat ? 1 : 0',
        'resource "aws_eip" "nat" {\n  count = 1',
        ("-var=nat=false",),
    ),
    Break(
        "with_nat_private_subnets_reach_it",
        "vpc",
        NAT,
        "nat_gateway_id         = aws_nat_gateway.this[0].id",
        "vpc_endpoint_id        = aws_vpc_endpoint.s3.id",
    ),
    Break(
        "private_subnets_lie_in_every_zone",
        "vpc",
        VPC,
        "availability_zone       = each.key",
        'availability_zone       = "us-west-2a"',
    ),
    Break(
        "nothing_has_a_public_address",
        "vpc",
        VPC,
        "map_public_ip_on_launch = false",
        "map_public_ip_on_launch = true",
    ),
    Break(
        "nothing_has_a_public_address",
        "vpc",
        NAT,
        "map_public_ip_on_launch = false",
        "map_public_ip_on_launch = true",
    ),
    Break(
        "nothing_has_a_public_address",
        "prod",
        COMPUTE,
        "associate_public_ip_address = false",
        "associate_public_ip_address = true",
    ),
    Break("endpoints_of_the_services_are_there", "vpc", ENDPOINTS, '"ssmmessages", ', ""),
    Break("endpoints_of_the_services_are_there", "vpc", ENDPOINTS, "var.ec2messages ? [", "!var.ec2messages ? ["),
    Break("endpoints_of_the_services_are_there", "vpc", ENDPOINTS, ".${each.key}", ".x.${each.key}"),
    Break(
        "interface_endpoints_answer_by_their_public_names_in_every_private_subnet",
        "vpc",
        ENDPOINTS,
        "private_dns_enabled = true",
        "private_dns_enabled = false",
    ),
    Break(
        "interface_endpoints_answer_by_their_public_names_in_every_private_subnet",
        "vpc",
        ENDPOINTS,
        "[for subnet in aws_subnet.private : subnet.id]",
        "[aws_subnet.private[var.zones[0]].id]",
    ),
    Break(
        "s3_is_reached_by_a_gateway_from_private_subnets",
        "vpc",
        ENDPOINTS,
        "[aws_route_table.private.id]",
        "[aws_vpc.this.main_route_table_id]",
    ),
    Break(
        "endpoints_let_in_the_own_account_only",
        "vpc",
        ENDPOINTS,
        '      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }\n    }]',
        "    }]",
    ),
    Break(
        "the_s3_endpoint_reaches_own_buckets_and_listed_ones_of_aws",
        "vpc",
        ENDPOINTS,
        '          "aws:ResourceAccount"  = var.account_id\n',
        "",
    ),
    Break(
        "the_s3_endpoint_reaches_own_buckets_and_listed_ones_of_aws",
        "vpc",
        "vpc/main.tf",
        '["ec2-linux-nvidia-drivers"]',
        '["ec2-linux-nvidia-drivers", "other"]',
    ),
    Break("the_traffic_of_the_vpc_is_logged", "vpc", LOGS, '= "ALL"', '= "REJECT"'),
    Break(
        "the_default_security_group_is_closed",
        "vpc",
        VPC,
        "  vpc_id = aws_vpc.this.id\n\n  tags = { Name = \"${var.name}-default-closed\" }",
        '  vpc_id = aws_vpc.this.id\n\n  ingress {\n    protocol  = -1\n    self      = true\n    from_port = 0\n'
        '    to_port   = 0\n  }\n\n  tags = { Name = "${var.name}-default-closed" }',
    ),
]

TRAFFIC = [
    Break(
        "only_https_of_the_vpc_and_mlflow_of_the_service_come_in",
        "vpc",
        ENDPOINTS,
        "= var.cidr",
        '= "0.0.0.0/0"',
    ),
    Break(
        "only_https_of_the_vpc_and_mlflow_of_the_service_come_in",
        "dev",
        SECURITY,
        "  security_group_id            = aws_security_group.mlflow.id",
        "  security_group_id            = aws_security_group.service.id",
    ),
    Break(
        "only_https_of_the_vpc_and_mlflow_of_the_service_come_in",
        "prod",
        SECURITY,
        '  description                  = "MLflow from the service"\n'
        "  referenced_security_group_id = aws_security_group.service.id",
        '  description                  = "MLflow from everywhere"\n  cidr_ipv4                    = "10.20.0.0/16"',
    ),
    Break(
        "rules_of_traffic_stand_in_one_kind_of_resource",
        "dev",
        SECURITY,
        '  description = "The live service: nothing comes in"\n  vpc_id      = var.vpc_id\n',
        '  description = "The live service: nothing comes in"\n  vpc_id      = var.vpc_id\n\n  ingress {\n'
        '    protocol    = "tcp"\n    from_port   = 22\n    to_port     = 22\n    cidr_blocks = ["0.0.0.0/0"]\n  }\n',
    ),
    Break(
        "rules_of_traffic_say_what_they_are_for",
        "vpc",
        ENDPOINTS,
        '  description       = "HTTPS from inside the VPC"\n',
        "",
    ),
    Break("rules_of_traffic_say_what_they_are_for", "dev", SECURITY, '  description                  = "MLflow"\n', ""),
    Break(
        "machines_go_out_to_named_places_only",
        "dev",
        SECURITY,
        "  prefix_list_id    = var.s3_prefix_list_id",
        '  cidr_ipv4         = "0.0.0.0/0"',
        ("-var=publishers=false",),
    ),
    Break(
        "machines_go_out_to_named_places_only",
        "prod",
        SECURITY,
        "var.publishers ? {",
        "!var.publishers ? {",
        ("-var=publishers=false",),
    ),
    Break("machines_go_out_to_named_places_only", "prod", SECURITY, "{ http = 80, https = 443 }", "{ http = 8080, https = 443 }"),
    Break(
        "each_machine_has_its_own_group_and_profile",
        "dev",
        COMPUTE,
        '[var.security_group_ids["service"]]',
        '[var.security_group_ids["service"], var.security_group_ids["mlflow"]]',
    ),
    Break(
        "each_machine_has_its_own_group_and_profile",
        "prod",
        COMPUTE,
        'var.instance_profiles["mlflow"]',
        'var.instance_profiles["service"]',
    ),
]

MACHINES = [
    Break("machines_are_of_the_types_that_they_should_be", "dev", COMPUTE, '"t3.medium"', '"t3.large"'),
    Break(
        "machines_are_of_the_types_that_they_should_be",
        "prod",
        "environments/prod/variables.tf",
        '= "g6.xlarge"',
        '= "g6f.xlarge"',
    ),
    Break("machines_stand_in_a_private_subnet", "dev", DEV, "sort(data.aws_subnets.private.ids)[0]", '"subnet-public"'),
    Break(
        "nobody_comes_by_ssh",
        "dev",
        COMPUTE,
        FIRST_INSTANCE,
        f'{FIRST_INSTANCE}  key_name                    = "mine"\n',
    ),
    *(
        Break("metadata_take_a_token_and_one_hop", root, COMPUTE, old, new)
        for root, old, new in (
            ("dev", 'http_tokens                 = "required"', 'http_tokens                 = "optional"'),
            ("prod", "http_put_response_hop_limit = 1", "http_put_response_hop_limit = 2"),
        )
    ),
    Break(
        "disks_are_encrypted_with_the_key_of_the_environment",
        "dev",
        COMPUTE,
        "size              = 50\n  encrypted         = true",
        "size              = 50\n  encrypted         = false",
    ),
    Break(
        "disks_are_encrypted_with_the_key_of_the_environment",
        "prod",
        COMPUTE,
        "    volume_size = 100\n    encrypted   = true\n    kms_key_id  = var.key_arn\n",
        "    volume_size = 100\n    encrypted   = true\n",
    ),
    Break("logs_end_after_the_days_of_the_root", "vpc", LOGS, "  retention_in_days = var.retention_days\n", ""),
    Break("logs_end_after_the_days_of_the_root", "prod", PROD, "retention_days      = 365", "retention_days      = 30"),
    Break(
        "logs_of_machines_are_encrypted_with_the_key_of_the_environment",
        "dev",
        COMPUTE,
        "  kms_key_id        = var.key_arn\n\n  tags = { Name",
        "\n  tags = { Name",
    ),
    Break(
        "the_disk_of_mlflow_is_attached_and_backed_up",
        "dev",
        COMPUTE,
        "instance_id                    = aws_instance.mlflow.id",
        "instance_id                    = aws_instance.service.id",
    ),
    Break("the_disk_of_mlflow_is_attached_and_backed_up", "prod", BACKUPS, "count = 7", "count = 1"),
    Break("the_disk_of_mlflow_is_attached_and_backed_up", "dev", COMPUTE, ", Backup = var.name", ""),
    Break(
        "a_changed_start_makes_a_new_machine",
        "dev",
        COMPUTE,
        "user_data_replace_on_change = true",
        "user_data_replace_on_change = false",
    ),
    Break(
        "parameters_are_those_that_the_services_read",
        "dev",
        PARAMETERS,
        "    NOWCAST_OWNER       = var.name\n",
        "",
    ),
    Break("parameters_are_those_that_the_services_read", "prod", PARAMETERS, "/${var.name}/mlflow/", "/other/mlflow/"),
    Break("no_secret_stands_in_the_state", "prod", PARAMETERS, 'type  = "String"', 'type  = "SecureString"'),
    Break(
        "no_secret_stands_in_the_state",
        "dev",
        "modules/compute/user-data.sh.tftpl",
        "EOF\nexec",
        "ENTSOE_API_KEY=1\nEOF\nexec",
    ),
    Break(
        "services_listen_to_those_who_should_ask",
        "dev",
        PARAMETERS,
        "http://${aws_instance.mlflow.private_ip}",
        "http://127.0.0.1",
    ),
    Break(
        "production_is_not_deleted_by_mistake",
        "prod",
        PROD,
        "deletion_protection = true",
        "deletion_protection = false",
    ),
    *(
        Break("production_is_not_deleted_by_mistake", "prod", file, old, new)
        for file, old, new in (
            (COMPUTE, "disable_api_termination     = var.deletion_protection", "disable_api_termination     = false"),
            (COMPUTE, "final_snapshot    = var.deletion_protection", "final_snapshot    = false"),
            (STORAGE, "!var.deletion_protection", "true"),
            (STORAGE, "? 30 : 7", "? 7 : 7"),
        )
    ),
]

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
    Break("buckets_keep_versions", "prod", STORAGE, '    status = "Enabled"\n  }\n}\n\nresource', '    status = "Suspended"\n  }\n}\n\nresource'),
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
            ("    noncurrent_version_expiration", "    expiration {\n      days = 90\n    }\n\n    noncurrent_version_expiration"),
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
        'Action   = "ssm:UpdateInstanceInformation"\n      Resource = "arn:aws:ec2:${var.region}:${var.account_id}:instance/*"',
        'Action   = "ssm:UpdateInstanceInformation"\n      Resource = "*"',
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
    Break("roles_are_taken_by_their_service_of_aws_only", "vpc", LOGS, '"vpc-flow-logs.amazonaws.com"', '"ec2.amazonaws.com"'),
    Break("roles_are_taken_by_their_service_of_aws_only", "dev", IAM, '{ Service = "ec2.amazonaws.com" }', '{ AWS = "*" }'),
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

BREAKS = [*NETWORK, *TRAFFIC, *MACHINES, *BUCKETS, *ACCESS]
