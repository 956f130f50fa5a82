variable "name" {
  description = "Name of the VPC, and the start of every name in it."
  type        = string
}

variable "region" {
  description = "Region of the endpoints."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC, a /16."
  type        = string
}

variable "zones" {
  description = "Availability zones, each with a private subnet. An interface endpoint costs once per zone."
  type        = list(string)
}

variable "nat" {
  description = "Whether private subnets reach the internet through a NAT gateway. Without it there is no internet gateway either."
  type        = bool
}

variable "ec2messages" {
  description = "Whether to keep the interface endpoint ec2messages, which AWS retires on 2026-09-30."
  type        = bool
}

variable "further_endpoints" {
  description = "Services with an interface endpoint besides those of Session Manager and the logs, such as ecr.api."
  type        = set(string)
}

variable "shared_buckets" {
  description = "Buckets of AWS itself that machines may read through the S3 endpoint."
  type        = set(string)
}

variable "retention_days" {
  description = "Days for which flow logs are kept."
  type        = number
}

variable "account_id" {
  description = "The account. Endpoints let in its principals only."
  type        = string
}
