locals {
  machines = toset(["service", "mlflow"])

  # AWS offers no resource to name for these actions. Nobody gets more of them than a session needs.
  session_manager = [
    {
      Sid    = "SessionChannels"
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = "*"
    },
    {
      Sid      = "RegisterWithSystemsManager"
      Effect   = "Allow"
      Action   = "ssm:UpdateInstanceInformation"
      Resource = "arn:aws:ec2:${var.region}:${var.account_id}:instance/*"
    },
  ]

  older_agents = [
    {
      Sid    = "MessagesOfOlderAgents"
      Effect = "Allow"
      Action = [
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:GetMessages",
        "ec2messages:SendReply",
      ]
      Resource = "*"
    },
  ]
}

resource "aws_iam_role" "machine" {
  for_each = local.machines

  name        = "${var.name}-${each.key}"
  description = "The machine ${each.key} of ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_iam_instance_profile" "machine" {
  for_each = local.machines

  name = "${var.name}-${each.key}"
  role = aws_iam_role.machine[each.key].name

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_iam_role_policy" "session" {
  for_each = local.machines

  name = "session-manager"
  role = aws_iam_role.machine[each.key].name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.session_manager, var.ec2messages ? local.older_agents : [])
  })
}

resource "aws_iam_role_policy" "own" {
  for_each = local.machines

  name = "own-parameters-and-logs"
  role = aws_iam_role.machine[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OwnParameters"
        Effect = "Allow"
        Action = "ssm:GetParametersByPath"
        Resource = [
          "arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.name}/${each.key}",
          "arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.name}/${each.key}/*",
        ]
      },
      {
        Sid      = "SecretParameters"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.key_arn
      },
      {
        Sid      = "OwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/${each.key}:*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "tables" {
  name = "tables"
  role = aws_iam_role.machine["service"].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListTables"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.bucket}"
      },
      {
        Sid      = "ReadAndWriteTables"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "arn:aws:s3:::${var.bucket}/*"
      },
      {
        Sid      = "EncryptTables"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.key_arn
      },
    ]
  })
}
