# What the machines read when their services start. Secrets are put beside these by hand and never stand in a state.

locals {
  service_parameters = {
    AWS_REGION          = var.region
    MLFLOW_TRACKING_URI = "http://${aws_instance.mlflow.private_ip}:${var.mlflow_port}"
    NOWCAST_DATA        = "s3://${var.bucket}/tables"
    NOWCAST_OWNER       = var.name
    NOWCAST_REGION      = var.nowcast_region
  }

  mlflow_parameters = {
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION = "false"
    MLFLOW_TRACKING_URI                = "sqlite:////var/lib/power-nowcast/mlflow.db"
    NOWCAST_HOST                       = "0.0.0.0"
    NOWCAST_MLFLOW_PORT                = tostring(var.mlflow_port)
  }
}

resource "aws_ssm_parameter" "service" {
  for_each = local.service_parameters

  name  = "/${var.name}/service/${each.key}"
  type  = "String"
  value = each.value

  tags = { Name = "${var.name}-service-${each.key}" }
}

resource "aws_ssm_parameter" "mlflow" {
  for_each = local.mlflow_parameters

  name  = "/${var.name}/mlflow/${each.key}"
  type  = "String"
  value = each.value

  tags = { Name = "${var.name}-mlflow-${each.key}" }
}
