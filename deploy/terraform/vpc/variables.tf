variable "region" {
  description = "The region. Everything runs in us-west-2."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = var.region == "us-west-2"
    error_message = "Everything runs in us-west-2."
  }
}

variable "cidr" {
  description = "Addresses of the VPC, a /16."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "The addresses must be a block of /16, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones with a private subnet. Each costs one more interface of every endpoint."
  type        = list(string)
  default     = ["us-west-2a", "us-west-2b"]

  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) <= 4 && alltrue([for zone in var.zones : can(regex("^us-west-2[a-d]$", zone))])
    error_message = "Name one to four of the zones us-west-2a to us-west-2d."
  }
}

variable "nat" {
  description = "Whether machines reach the publishers of data, and image builds their packages, through a NAT gateway."
  type        = bool
  default     = true
}

variable "ec2messages" {
  description = "Whether to keep the endpoint ec2messages. AWS retires it on 2026-09-30; SSM agents from 3.3.40.0 on do without."
  type        = bool
  default     = true
}

variable "further_endpoints" {
  description = "Further services with an interface endpoint, such as ecr.api and ecr.dkr for private container images."
  type        = set(string)
  default     = []
}
