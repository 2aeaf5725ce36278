#!/bin/sh
# Downloads PATH@VERSION of a Go module, holds it to CHECKSUM as go.sum has it, and prints the directory it is in.
#
# What is built from there has the module's own go.mod and go.sum. As requirements of ours they would be a hundred modules for programs
# that are only executed.
set -eu
module=$(go mod download -json "$1@$2")
field() { printf '%s\n' "$module" | sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p"; }
[ "$(field Sum)" = "$3" ] || { echo "$1 $2: checksum $(field Sum), want $3" >&2; exit 1; }
field Dir
