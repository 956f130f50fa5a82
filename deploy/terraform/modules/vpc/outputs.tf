output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Private subnets by availability zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "endpoints_security_group_id" {
  description = "The security group of the interface endpoints."
  value       = aws_security_group.endpoints.id
}
