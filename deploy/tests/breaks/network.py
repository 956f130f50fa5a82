"""Faults of networks and of what may come in and go out."""

from breaks.fault import COMPUTE, DEV, ENDPOINTS, LOGS, NAT, SECURITY, STORAGE, VPC, Break

ROUTE_TO_INTERNET = """
resource "aws_route" "further" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "198.51.100.0/24"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "private_to_nat" {"""

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
        '  vpc_id = aws_vpc.this.id\n\n  tags = { Name = "${var.name}-default-closed" }',
        "  vpc_id = aws_vpc.this.id\n\n  ingress {\n    protocol  = -1\n    self      = true\n    from_port = 0\n"
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
    Break(
        "machines_go_out_to_named_places_only",
        "prod",
        SECURITY,
        "{ http = 80, https = 443 }",
        "{ http = 8080, https = 443 }",
    ),
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
