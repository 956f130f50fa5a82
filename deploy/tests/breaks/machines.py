"""Faults of machines."""

from breaks.fault import BACKUPS, COMPUTE, DEV, LOGS, PARAMETERS, PROD, STORAGE, Break

FIRST_INSTANCE = """  instance_type               = var.service_type
"""

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
