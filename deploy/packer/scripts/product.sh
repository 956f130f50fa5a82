#!/usr/bin/env bash
# The product with its pinned packages, its user, and the services that a machine's first start enables.
set -euo pipefail
root="${DESTDIR:-}"
upload="${UPLOAD:-/tmp}"

id nowcast >/dev/null 2>&1 || useradd --system --home-dir /var/lib/power-nowcast --shell /usr/sbin/nologin nowcast
install -d -m 0755 "$root/opt/power-nowcast/machine" "$root/etc/systemd/system" "$root/var/lib"
install -d -m 0750 -o nowcast -g nowcast "$root/var/lib/power-nowcast"

python3.12 -m venv "$root/opt/power-nowcast"
files=(-r "$upload/requirements.txt")
if [[ "$VARIANT" != cpu ]]; then
  files+=(-r "$upload/requirements-neural.txt")
fi
pip="$root/opt/power-nowcast/bin/pip"
"$pip" install --no-cache-dir --no-deps --require-hashes "${files[@]}"
"$pip" install --no-cache-dir --no-deps --no-index "$upload"/power_nowcast-*.whl
"$root/opt/power-nowcast/bin/nowcast" --help >/dev/null

install -m 0755 "$upload/machine/start" "$upload/machine/read-parameters" "$root/opt/power-nowcast/machine/"
install -m 0644 "$upload"/machine/nowcast-*.service "$root/etc/systemd/system/"
systemctl daemon-reload
