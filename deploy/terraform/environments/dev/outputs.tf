output "instance_ids" {
  description = "Machines for aws ssm start-session: service, mlflow."
  value       = module.compute.instance_ids
}

output "bucket" {
  description = "Name of the bucket of the tables."
  value       = module.storage.bucket
}
