# A snapshot of MLflow's disk every day, kept for a week.

resource "aws_iam_role" "backups" {
  name        = "${var.name}-backups"
  description = "Daily snapshots of the disk of MLflow"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "dlm.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = { Name = "${var.name}-backups" }
}

resource "aws_iam_role_policy" "backups" {
  name = "snapshots"
  role = aws_iam_role.backups.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindDisks"
        Effect   = "Allow"
        Action   = ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"]
        Resource = "*"
      },
      {
        Sid      = "SnapshotTheDisk"
        Effect   = "Allow"
        Action   = "ec2:CreateSnapshot"
        Resource = "arn:aws:ec2:${var.region}:${var.account_id}:volume/*"
        Condition = { StringEquals = {
          "aws:ResourceTag/Backup" = var.name
        } }
      },
      {
        Sid      = "MakeAndTagSnapshots"
        Effect   = "Allow"
        Action   = ["ec2:CreateSnapshot", "ec2:CreateTags"]
        Resource = "arn:aws:ec2:${var.region}::snapshot/*"
      },
      {
        Sid      = "DeleteOwnSnapshots"
        Effect   = "Allow"
        Action   = "ec2:DeleteSnapshot"
        Resource = "arn:aws:ec2:${var.region}::snapshot/*"
        Condition = { StringEquals = {
          "aws:ResourceTag/Backup" = var.name
        } }
      },
    ]
  })
}

resource "aws_dlm_lifecycle_policy" "mlflow" {
  description        = "Daily snapshots of the disk of MLflow of ${var.name}"
  execution_role_arn = aws_iam_role.backups.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Backup = var.name }

    schedule {
      name      = "daily"
      copy_tags = true

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["09:00"]
      }

      retain_rule {
        count = 7
      }
    }
  }

  tags = { Name = "${var.name}-mlflow" }
}
