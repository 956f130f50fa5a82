# The shared VPC, found by its tags: an environment reads no other state.

data "aws_caller_identity" "this" {}

data "aws_vpc" "ml_dev" {
  tags = { Name = "ml-dev" }
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.ml_dev.id]
  }

  tags = { Tier = "private" }
}

data "aws_subnet" "private" {
  id = local.subnet_id
}

data "aws_security_group" "endpoints" {
  vpc_id = data.aws_vpc.ml_dev.id
  name   = "ml-dev-endpoints"
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${var.region}.s3"
}
