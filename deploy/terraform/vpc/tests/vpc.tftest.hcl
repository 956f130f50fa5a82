# Without an account: terraform test. The provider answers with made-up values.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "everything_on" {
  command = apply

  assert {
    condition     = length(output.private_subnet_ids) == 2
    error_message = "There should be a private subnet in each of two zones."
  }

  assert {
    condition     = length(module.vpc.endpoints_security_group_id) > 0
    error_message = "Interface endpoints need their security group."
  }
}

run "without_nat_and_in_one_zone" {
  command = apply

  variables {
    nat   = false
    zones = ["us-west-2d"]
  }

  assert {
    condition     = keys(output.private_subnet_ids) == ["us-west-2d"]
    error_message = "The only private subnet should be in us-west-2d."
  }
}

run "another_region" {
  command = plan

  variables {
    region = "us-east-1"
  }

  expect_failures = [var.region]
}

run "a_zone_of_another_region" {
  command = plan

  variables {
    zones = ["us-west-2a", "us-east-1a"]
  }

  expect_failures = [var.zones]
}

run "addresses_that_are_too_few" {
  command = plan

  variables {
    cidr = "10.20.0.0/24"
  }

  expect_failures = [var.cidr]
}
