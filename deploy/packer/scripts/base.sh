#!/usr/bin/env bash
# What every image has: the SSM agent, Docker, Python 3.12, the AWS CLI v2, the CloudWatch agent.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

cloud-init status --wait
apt-get update -q
apt-get install -qy --no-install-recommends ca-certificates curl docker.io libgomp1 software-properties-common unzip

# The agent comes with Ubuntu's image as a snap. Since ec2messages has an end, an older one would not be reached.
snap list amazon-ssm-agent >/dev/null 2>&1 || snap install amazon-ssm-agent --classic
snap refresh amazon-ssm-agent
snap start --enable amazon-ssm-agent
agent="$(snap list amazon-ssm-agent | awk 'NR == 2 { print $2 }')"
if [[ "$(printf '%s\n' "$SSM_AGENT_MINIMUM" "$agent" | sort -V | head -n 1)" != "$SSM_AGENT_MINIMUM" ]]; then
  echo "base: the SSM agent is $agent, and should be $SSM_AGENT_MINIMUM or newer" >&2
  exit 1
fi

systemctl enable docker.service

add-apt-repository -y ppa:deadsnakes/ppa
apt-get install -qy --no-install-recommends python3.12 python3.12-venv

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
curl -fsSL --retry 3 -o "$work/aws.zip" "https://awscli.amazonaws.com/awscli-exe-linux-x86_64-$AWSCLI_VERSION.zip"
unzip -q "$work/aws.zip" -d "$work"
"$work/aws/install" --update
aws --version

curl -fsSL --retry 3 -o "$work/cloudwatch.deb" \
  https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/amd64/latest/amazon-cloudwatch-agent.deb
dpkg -i "$work/cloudwatch.deb"
