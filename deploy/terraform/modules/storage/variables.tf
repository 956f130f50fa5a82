variable "name" {
  description = "Name of the environment's resources, such as power-nowcast-dev."
  type        = string
}

variable "region" {
  description = "Region of the key and the bucket."
  type        = string
}

variable "account_id" {
  description = "The account. It is part of the bucket's name and owns the key."
  type        = string
}

variable "deletion_protection" {
  description = "Whether a full bucket refuses to be destroyed, and a deleted key waits for 30 days instead of 7."
  type        = bool
}
