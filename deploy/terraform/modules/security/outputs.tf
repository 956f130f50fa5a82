output "security_group_ids" {
  description = "Security groups by machine: service, mlflow."
  value       = { service = aws_security_group.service.id, mlflow = aws_security_group.mlflow.id }
}

output "instance_profiles" {
  description = "Instance profiles by machine: service, mlflow."
  value       = { for machine, profile in aws_iam_instance_profile.machine : machine => profile.name }
}
