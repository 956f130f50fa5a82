# Images of Ubuntu 22.04 with everything that the machines run: cpu (MLflow), nvidia (g6.xlarge), grid (g6f.xlarge).

source "amazon-ebs" "ubuntu" {
  region        = var.region
  subnet_id     = var.subnet_id
  encrypt_boot  = true
  ssh_username  = "ubuntu"
  ssh_interface = "session_manager"

  source_ami_filter {
    owners      = ["099720109477"] # Canonical
    most_recent = true

    filters = {
      name                = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # The build's own role, made for it and deleted after it. No machine that runs has the right to read GRID drivers.
  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"

    Statement {
      Effect   = "Allow"
      Action   = ["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      Resource = ["*"]
    }

    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:ListBucket"]
      Resource = ["arn:aws:s3:::ec2-linux-nvidia-drivers", "arn:aws:s3:::ec2-linux-nvidia-drivers/*"]
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_type           = "gp3"
    volume_size           = 60
    throughput            = 125
    iops                  = 3000
    encrypted             = true
    delete_on_termination = true
  }

  tags = {
    Project   = "power-nowcast"
    ManagedBy = "packer"
    Version   = var.version
  }
}

build {
  # Each variant is built on a machine of the kind that will run it, so that the driver is seen to work.
  source "amazon-ebs.ubuntu" {
    name          = "cpu"
    ami_name      = "power-nowcast-cpu-${var.version}"
    instance_type = "t3.medium"
  }

  source "amazon-ebs.ubuntu" {
    name          = "nvidia"
    ami_name      = "power-nowcast-nvidia-${var.version}"
    instance_type = "g6.xlarge"
  }

  source "amazon-ebs.ubuntu" {
    name          = "grid"
    ami_name      = "power-nowcast-grid-${var.version}"
    instance_type = "g6f.xlarge"
  }

  provisioner "file" {
    sources     = ["${path.root}/../machine", "${path.root}/../../requirements.txt", "${path.root}/../../requirements-neural.txt", var.wheel]
    destination = "/tmp/"
  }

  provisioner "shell" {
    scripts = ["${path.root}/scripts/base.sh", "${path.root}/scripts/gpu.sh", "${path.root}/scripts/product.sh"]

    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "VARIANT=${source.name}",
      "DRIVER_BRANCH=${var.driver_branch}",
      "CUDA_TOOLKIT=${var.cuda_toolkit}",
      "SSM_AGENT_MINIMUM=${var.ssm_agent_minimum}",
      "AWSCLI_VERSION=${var.awscli_version}",
    ]
  }
}
