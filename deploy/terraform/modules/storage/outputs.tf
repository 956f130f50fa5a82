output "bucket" {
  description = "Name of the bucket of the tables."
  value       = aws_s3_bucket.tables.bucket
}

output "key_arn" {
  description = "The environment's key."
  value       = aws_kms_key.this.arn
}
