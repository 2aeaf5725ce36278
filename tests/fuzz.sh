#!/bin/sh
# Runs every fuzz target of the tree for $FUZZTIME, a time or a number of runs (10000x). A finding stays in the package's testdata.
set -eu
: "${FUZZTIME:=10s}"
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
  dir=$(dirname "$file")
  sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file" | while read -r target; do
    echo "fuzz $dir $target"
    go test -tags urfave_cli_no_template -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 20x "$dir"
  done
done
