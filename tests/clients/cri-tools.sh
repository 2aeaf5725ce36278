#!/bin/sh
# Builds crictl and critest of Kubernetes' cri-tools into DIR (default /usr/local/bin): Debian has no package of them. It takes minutes.
#
# They are built from the module as it is: it replaces its requirements by parts of k8s.io/kubernetes, which `go install` refuses. It is the
# only release of late that the module proxy has.
set -eu
dir=${1:-/usr/local/bin}
version=v1.30.0
module=$("$(dirname "$0")/module.sh" sigs.k8s.io/cri-tools $version h1:3BpgxSTgjfS+5u2OXwuAqUVo0BQM09u2JuArMMth9NE=)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# This release's attach forgets the option that says by which protocol.
cp -r --no-preserve=mode "$module" "$work/source"
cd "$work/source"
sed -i 's/^\(\t*\)stdin: c.Bool("stdin"),$/&\n\1transport: c.String(transportFlag),/' cmd/crictl/attach.go

export CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false'
flags="-s -w -X github.com/kubernetes-sigs/cri-tools/pkg/version.Version=$version"
go build -ldflags "$flags" -o "$dir/crictl" ./cmd/crictl
go test -c -ldflags "$flags" -o "$dir/critest" ./cmd/critest
