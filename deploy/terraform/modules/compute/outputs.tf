output "instance_ids" {
  description = "Machines for aws ssm start-session: service, mlflow."
  value       = { service = aws_instance.service.id, mlflow = aws_instance.mlflow.id }
}
