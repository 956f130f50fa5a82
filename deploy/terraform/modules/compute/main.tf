# Two machines: the service, which trains as well, and the MLflow server.

locals {
  # A fraction of a GPU needs NVIDIA's GRID driver; a whole GPU takes the data centre's.
  driver = startswith(var.service_type, "g6f.") ? "grid" : "nvidia"
  images = { service = local.driver, mlflow = "cpu" }
}

data "aws_ami" "machine" {
  for_each = local.images

  owners = ["self"]

  filter {
    name   = "name"
    values = ["power-nowcast-${each.value}-${var.image_version}"]
  }
}

resource "aws_cloudwatch_log_group" "machine" {
  for_each = local.images

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.retention_days
  kms_key_id        = var.key_arn

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_instance" "service" {
  ami                         = data.aws_ami.machine["service"].id
  instance_type               = var.service_type
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [var.security_group_ids["service"]]
  iam_instance_profile        = var.instance_profiles["service"]
  associate_public_ip_address = false
  disable_api_termination     = var.deletion_protection
  ebs_optimized               = true
  monitoring                  = false
  user_data_replace_on_change = true

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    machine   = "service"
    name      = var.name
    region    = var.region
    volume_id = ""
  })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 100
    encrypted   = true
    kms_key_id  = var.key_arn
  }

  tags        = { Name = "${var.name}-service" }
  volume_tags = { Name = "${var.name}-service" }

  depends_on = [aws_ssm_parameter.service, aws_cloudwatch_log_group.machine]
}

resource "aws_instance" "mlflow" {
  ami                         = data.aws_ami.machine["mlflow"].id
  instance_type               = "t3.medium"
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [var.security_group_ids["mlflow"]]
  iam_instance_profile        = var.instance_profiles["mlflow"]
  associate_public_ip_address = false
  disable_api_termination     = var.deletion_protection
  ebs_optimized               = true
  monitoring                  = false
  user_data_replace_on_change = true

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    machine   = "mlflow"
    name      = var.name
    region    = var.region
    volume_id = aws_ebs_volume.mlflow.id
  })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 30
    encrypted   = true
    kms_key_id  = var.key_arn
  }

  tags        = { Name = "${var.name}-mlflow" }
  volume_tags = { Name = "${var.name}-mlflow" }

  depends_on = [aws_ssm_parameter.mlflow, aws_cloudwatch_log_group.machine]
}

# Runs, models and the registry. The disk outlives its machine, so that a new image keeps them.
resource "aws_ebs_volume" "mlflow" {
  availability_zone = var.zone
  type              = "gp3"
  size              = 50
  encrypted         = true
  kms_key_id        = var.key_arn
  final_snapshot    = var.deletion_protection

  tags = { Name = "${var.name}-mlflow-data", Backup = var.name }
}

resource "aws_volume_attachment" "mlflow" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.mlflow.id
  instance_id                    = aws_instance.mlflow.id
  stop_instance_before_detaching = true
}
