#!/usr/bin/env bash
# NVIDIA's driver and CUDA. A whole GPU takes the data centre's driver, a fraction of one AWS's GRID driver.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

if [[ "$VARIANT" == cpu ]]; then
  exit 0
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
repository=https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64
curl -fsSL --retry 3 -o "$work/keyring.deb" "$repository/cuda-keyring_1.1-1_all.deb"
dpkg -i "$work/keyring.deb"
apt-get update -q
apt-get install -qy --no-install-recommends "cuda-toolkit-${CUDA_TOOLKIT//./-}" nvidia-container-toolkit

case "$VARIANT" in
  nvidia)
    apt-get install -qy --no-install-recommends "cuda-drivers-$DRIVER_BRANCH"
    ;;
  grid)
    apt-get install -qy --no-install-recommends gcc make "linux-headers-$(uname -r)"
    bucket=ec2-linux-nvidia-drivers
    key="$(aws s3api list-objects-v2 --bucket "$bucket" --output text \
      --query "Contents[?ends_with(Key, '-grid-aws.run') && contains(Key, 'x86_64-$DRIVER_BRANCH.')].[Key]" |
      sort -V | tail -n 1)"
    if [[ -z "$key" || "$key" == None ]]; then
      echo "gpu: $bucket has no GRID driver of branch $DRIVER_BRANCH" >&2
      exit 1
    fi
    aws s3 cp --only-show-errors "s3://$bucket/$key" "$work/grid.run"
    sh "$work/grid.run" --silent
    ;;
  *)
    echo "gpu: there is no variant '$VARIANT'" >&2
    exit 1
    ;;
esac

nvidia-ctk runtime configure --runtime=docker
driver="$(nvidia-smi --query-gpu=driver_version --format=csv,noheader)"
if [[ "${driver%%.*}" -lt "$DRIVER_BRANCH" ]]; then
  echo "gpu: the driver is $driver, and should be of branch $DRIVER_BRANCH or newer" >&2
  exit 1
fi
