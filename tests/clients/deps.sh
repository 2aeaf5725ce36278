#!/bin/sh
# Installs the managers that tests/clients drives, from Debian 12's packages, without starting their daemons, and builds cri-tools with
# the Go on PATH. Needs root.
set -eu
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then # invoke-rc.d asks it whether a package may start its service
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made=yes
fi
trap '[ -z "$made" ] || rm "$policy"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2046 # each word is a package
apt-get install -y -qq --no-install-recommends $(grep -v '^#' "$(dirname "$0")/packages.txt") >/dev/null
if ! command -v crictl >/dev/null || ! command -v critest >/dev/null; then
  "$(dirname "$0")/cri-tools.sh"
fi
