variable "region" {
  type        = string
  description = "Region in which images are built and kept."
  default     = "us-west-2"
}

variable "version" {
  type        = string
  description = "Version of the images, Terraform's image_version: the product's version and a build number, such as 0.1.0-1."
}

variable "subnet_id" {
  type        = string
  description = "A private subnet of ml-dev. The VPC's NAT must be on while an image is built."
}

variable "wheel" {
  type        = string
  description = "The product's wheel, such as dist/power_nowcast-0.1.0-py3-none-any.whl."
}

variable "driver_branch" {
  type        = string
  description = "Branch of NVIDIA's driver. The pinned torch and XGBoost need CUDA 12 and 13 from it."
  default     = "580"
}

variable "cuda_toolkit" {
  type        = string
  description = "Version of the CUDA toolkit."
  default     = "12.8"
}

variable "ssm_agent_minimum" {
  type        = string
  description = "The oldest SSM agent that does without ec2messages, which AWS retires on 2026-09-30."
  default     = "3.3.40.0"
}

variable "awscli_version" {
  type        = string
  description = "Version of the AWS CLI v2."
  default     = "2.31.0"
}
