output "vpc_id" {
  description = "The VPC."
  value       = module.vpc.vpc_id
}

output "private_subnet_ids" {
  description = "Private subnets by availability zone, for Packer's variable subnet_id."
  value       = module.vpc.private_subnet_ids
}
