variable "name" {
  description = "Name of the environment's resources, such as power-nowcast-dev."
  type        = string
}

variable "region" {
  description = "Region of the machines."
  type        = string
}

variable "account_id" {
  description = "Account of the disks that backups may touch."
  type        = string
}

variable "service_type" {
  description = "Instance type of the service: g6f.xlarge has an eighth of an L4, g6.xlarge a whole one."
  type        = string
}

variable "image_version" {
  description = "Version of the images that Packer built, such as 0.1.0-1."
  type        = string
}

variable "subnet_id" {
  description = "The private subnet of both machines."
  type        = string
}

variable "zone" {
  description = "Availability zone of that subnet, for the disk of MLflow."
  type        = string
}

variable "security_group_ids" {
  description = "Security groups by machine: service, mlflow."
  type        = map(string)
}

variable "instance_profiles" {
  description = "Instance profiles by machine: service, mlflow."
  type        = map(string)
}

variable "key_arn" {
  description = "The key of disks, logs and secret parameters."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of the tables."
  type        = string
}

variable "nowcast_region" {
  description = "The region of power that the service follows (NOWCAST_REGION)."
  type        = string
}

variable "mlflow_port" {
  description = "Port of the MLflow server."
  type        = number
}

variable "retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether the machines refuse to be terminated, and MLflow's disk leaves a snapshot when it is destroyed."
  type        = bool
}
