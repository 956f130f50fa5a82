# Without an account: terraform test -var=image_version=0.1.0-1. The provider answers with made-up values.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_subnets" {
    defaults = { ids = ["subnet-a", "subnet-b"] }
  }
}

run "two_machines_and_a_bucket" {
  command = apply

  assert {
    condition     = keys(output.instance_ids) == ["mlflow", "service"]
    error_message = "There should be two machines."
  }

  assert {
    condition     = output.bucket == "power-nowcast-dev-tables-123456789012"
    error_message = "The bucket is named after environment and account."
  }
}

run "another_region" {
  command = plan

  variables {
    region = "eu-central-1"
  }

  expect_failures = [var.region]
}

run "the_other_size_of_gpu" {
  command = plan

  variables {
    service_type = "g6.xlarge"
  }
}

run "a_machine_without_gpu" {
  command = plan

  variables {
    service_type = "m7i.large"
  }

  expect_failures = [var.service_type]
}
