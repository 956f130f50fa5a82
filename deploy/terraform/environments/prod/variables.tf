variable "region" {
  description = "The region. Everything runs in us-west-2."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = var.region == "us-west-2"
    error_message = "Everything runs in us-west-2."
  }
}

variable "service_type" {
  description = "Instance type of the service: g6f.xlarge (an eighth of an L4) or g6.xlarge (a whole one)."
  type        = string
  default     = "g6.xlarge"

  validation {
    condition     = contains(["g6f.xlarge", "g6.xlarge"], var.service_type)
    error_message = "The service runs on g6f.xlarge or g6.xlarge."
  }
}

variable "image_version" {
  description = "Version of the images that Packer built, such as 0.1.0-1."
  type        = string
}

variable "nowcast_region" {
  description = "The region of power that the service follows, such as nyiso-live."
  type        = string
  default     = "nyiso-live"
}

variable "publishers" {
  description = "Whether the service may ask publishers of data on the internet. The VPC's NAT must be on as well."
  type        = bool
  default     = true
}

variable "ec2messages" {
  description = "Whether machines may use ec2messages. AWS retires it on 2026-09-30; SSM agents from 3.3.40.0 on do without."
  type        = bool
  default     = true
}
