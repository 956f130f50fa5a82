variable "name" {
  description = "Name of the environment's resources, such as power-nowcast-dev."
  type        = string
}

variable "region" {
  description = "Region of the resources that policies name."
  type        = string
}

variable "account_id" {
  description = "Account of the resources that policies name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC ml-dev."
  type        = string
}

variable "endpoints_security_group_id" {
  description = "The security group of the VPC's interface endpoints."
  type        = string
}

variable "s3_prefix_list_id" {
  description = "The addresses of S3 in the region, behind the gateway endpoint."
  type        = string
}

variable "mlflow_port" {
  description = "Port of the MLflow server."
  type        = number
}

variable "publishers" {
  description = "Whether the service may ask publishers of data on the internet. The VPC's NAT must be on as well."
  type        = bool
}

variable "ec2messages" {
  description = "Whether machines may use ec2messages, which SSM agents before 3.3.40.0 need."
  type        = bool
}

variable "bucket" {
  description = "Name of the bucket of the tables."
  type        = string
}

variable "key_arn" {
  description = "The environment's key."
  type        = string
}
