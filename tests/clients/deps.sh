#!/bin/sh
# Installs the managers that tests/clients drives, from Debian 12's packages, without starting their daemons, and builds crictl,
# critest and containerd 2 with the Go on PATH; with the argument "crio" CRI-O, too. Needs root.
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

# containerd 2 is not in Debian 12: it comes through Go's module proxy, as the module beside this file says, and goes to the user's cache.
cd "$(dirname "$0")/containerd2"
programs="${XDG_CACHE_HOME:-$HOME/.cache}/tare-clients/containerd2"
mkdir -p "$programs"
CGO_ENABLED=0 go build -o "$programs/" tool

# Nor is CRI-O, which takes two processors some four minutes: only where it is asked for.
if [ "${1:-}" = crio ]; then
  apt-get install -y -qq --no-install-recommends gcc libc6-dev libseccomp-dev pkg-config >/dev/null
  ../crio.sh "$programs/../crio"
fi
