# The environment prod: two machines, a bucket and a key in the VPC ml-dev.

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
    key          = "power-nowcast/prod.tfstate"
    region       = "us-west-2"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "power-nowcast"
      Environment = "prod"
      ManagedBy   = "terraform"
    }
  }
}

locals {
  name                = "power-nowcast-prod"
  mlflow_port         = 5001
  deletion_protection = true
  account_id          = data.aws_caller_identity.this.account_id
  subnet_id           = sort(data.aws_subnets.private.ids)[0]
}

module "storage" {
  source = "../../modules/storage"

  name                = local.name
  region              = var.region
  account_id          = local.account_id
  deletion_protection = local.deletion_protection
}

module "security" {
  source = "../../modules/security"

  name                        = local.name
  region                      = var.region
  account_id                  = local.account_id
  vpc_id                      = data.aws_vpc.ml_dev.id
  endpoints_security_group_id = data.aws_security_group.endpoints.id
  s3_prefix_list_id           = data.aws_ec2_managed_prefix_list.s3.id
  mlflow_port                 = local.mlflow_port
  publishers                  = var.publishers
  ec2messages                 = var.ec2messages
  bucket                      = module.storage.bucket
  key_arn                     = module.storage.key_arn
}

module "compute" {
  source = "../../modules/compute"

  name                = local.name
  region              = var.region
  account_id          = local.account_id
  service_type        = var.service_type
  image_version       = var.image_version
  subnet_id           = local.subnet_id
  zone                = data.aws_subnet.private.availability_zone
  security_group_ids  = module.security.security_group_ids
  instance_profiles   = module.security.instance_profiles
  key_arn             = module.storage.key_arn
  bucket              = module.storage.bucket
  nowcast_region      = var.nowcast_region
  mlflow_port         = local.mlflow_port
  retention_days      = 365
  deletion_protection = local.deletion_protection
}
