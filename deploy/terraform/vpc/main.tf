# The VPC that all machine learning shares. It has a state of its own: no environment can destroy it.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.62"
    }
  }

  # The bucket's name is the account's: terraform init -backend-config="bucket=NAME".
  backend "s3" {
    key          = "ml-dev/vpc.tfstate"
    region       = "us-west-2"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "ml-dev"
      Environment = "shared"
      ManagedBy   = "terraform"
    }
  }
}

data "aws_caller_identity" "this" {}

module "vpc" {
  source = "../modules/vpc"

  name              = "ml-dev"
  region            = var.region
  cidr              = var.cidr
  zones             = var.zones
  nat               = var.nat
  ec2messages       = var.ec2messages
  further_endpoints = var.further_endpoints
  shared_buckets    = ["ec2-linux-nvidia-drivers"]
  retention_days    = 30
  account_id        = data.aws_caller_identity.this.account_id
}
