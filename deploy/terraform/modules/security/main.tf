# Who may talk to whom. Nothing comes in from outside: people come through Session Manager, which the machines call.

resource "aws_security_group" "service" {
  name        = "${var.name}-service"
  description = "The live service: nothing comes in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-service" }
}

resource "aws_security_group" "mlflow" {
  name        = "${var.name}-mlflow"
  description = "The MLflow server: the service comes in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-mlflow" }
}

resource "aws_vpc_security_group_ingress_rule" "mlflow_from_service" {
  security_group_id            = aws_security_group.mlflow.id
  description                  = "MLflow from the service"
  referenced_security_group_id = aws_security_group.service.id
  ip_protocol                  = "tcp"
  from_port                    = var.mlflow_port
  to_port                      = var.mlflow_port

  tags = { Name = "${var.name}-mlflow-from-service" }
}

resource "aws_vpc_security_group_egress_rule" "service_to_mlflow" {
  security_group_id            = aws_security_group.service.id
  description                  = "MLflow"
  referenced_security_group_id = aws_security_group.mlflow.id
  ip_protocol                  = "tcp"
  from_port                    = var.mlflow_port
  to_port                      = var.mlflow_port

  tags = { Name = "${var.name}-service-to-mlflow" }
}

resource "aws_vpc_security_group_egress_rule" "to_endpoints" {
  for_each = { service = aws_security_group.service.id, mlflow = aws_security_group.mlflow.id }

  security_group_id            = each.value
  description                  = "AWS through the interface endpoints"
  referenced_security_group_id = var.endpoints_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443

  tags = { Name = "${var.name}-${each.key}-to-endpoints" }
}

resource "aws_vpc_security_group_egress_rule" "service_to_s3" {
  security_group_id = aws_security_group.service.id
  description       = "S3 through the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = { Name = "${var.name}-service-to-s3" }
}

# NYISO publishes its files over plain HTTP.
resource "aws_vpc_security_group_egress_rule" "service_to_publishers" {
  for_each = var.publishers ? { http = 80, https = 443 } : {}

  security_group_id = aws_security_group.service.id
  description       = "Publishers of data, ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value

  tags = { Name = "${var.name}-service-to-publishers-${each.key}" }
}
