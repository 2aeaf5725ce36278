#!/bin/sh
# Builds CRI-O and its pinns, which makes the namespaces of pods, into DIR: Debian has no package of it. It takes minutes, and a C compiler.
#
# With cgo, for libseccomp alone: CRI-O without it refuses every profile. All else that is C's is left out.
set -eu
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
source=$("$here/module.sh" github.com/cri-o/cri-o v1.34.0 h1:ux2URwAyENy5e5hD9Z95tshdfy98eqatZk0fxx3rhuk=)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

cd "$source"
cc -std=c99 -Os -s -o "$dir/pinns" pinns/src/*.c
export CGO_ENABLED=1 GOFLAGS='-mod=readonly -trimpath -buildvcs=false'
tags=seccomp,containers_image_openpgp,containers_image_ostree_stub,exclude_graphdriver_btrfs,btrfs_noversion,exclude_graphdriver_devicemapper
go build -tags "$tags" -ldflags '-s -w' -o "$dir/crio" ./cmd/crio
