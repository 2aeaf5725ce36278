#!/usr/bin/env bash
# Builds the Debian package twice, installs it below a scratch directory, uses it from there and removes it; and the same with
# make install and make uninstall. Nothing of it touches the machine's own package database. Root, dpkg, lintian.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "packaging: $*" >&2; exit 1; }

# installed ROOT BINDIR: what is below ROOT works.
installed() {
  local root=$1 prefix=$2 version
  version=$("$root$prefix/sbin/tare" --version | head -1)
  [ "$version" = "tare version $(sed -n 's/^VERSION := //p' Makefile)" ] || fail "$root$prefix/sbin/tare says: $version"
  "$root$prefix/sbin/tare" features >/dev/null || fail "features"
  bash -n "$root$prefix/share/bash-completion/completions/tare" || fail "the completion for bash"
  [ -s "$root$prefix/share/fish/vendor_completions.d/tare.fish" ] || fail "no completion for fish"
  [ -s "$root$prefix/share/doc/tare/docs/managers/README.md" ] || fail "no docs"
  grep -q 'License: BSD-3-clause' "$root$prefix/share/doc/tare/copyright" || fail "no licences"
}

# empty DIR: nothing is left but directories that are not ours alone.
empty() {
  local left
  left=$(find "$1" -path "$1/var" -prune -o \( -not -type d -o -path '*/doc/tare' \) -print)
  [ -z "$left" ] || fail "left behind: $left"
}

make -s deb
deb=$(echo tare_*_"$(dpkg --print-architecture)".deb)
[ -s "$deb" ] || fail "no package: $deb"
cp "$deb" "$scratch/first.deb"
rm "$deb"
(umask 077 && cd / && TMPDIR=$scratch TZ=Asia/Tokyo LC_ALL=C make -s -C "$here" deb)
cmp "$deb" "$scratch/first.deb" || fail "a second build has other bytes"
lintian --allow-root --fail-on error,warning "$deb" || fail "lintian"

root=$scratch/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
touch "$root/var/lib/dpkg/status"
dpkg --root="$root" --log="$scratch/log" --install "$deb"
installed "$root" /usr
dpkg --root="$root" --verify tare | tee "$scratch/verify"
[ ! -s "$scratch/verify" ] || fail "files that are not as packed"
for page in man/*.8.md; do
  zcat "$root/usr/share/man/man8/$(basename "$page" .md).gz" | grep -q '^\.TH' || fail "$page"
done
[ -s "$root/usr/share/zsh/vendor-completions/_tare" ] || fail "no completion for zsh"
dpkg --root="$root" --log="$scratch/log" --purge tare
empty "$root"

make -s install DESTDIR="$scratch/dest"
installed "$scratch/dest" /usr/local
[ -s "$scratch/dest/usr/local/share/zsh/site-functions/_tare" ] || fail "no completion for zsh"
make -s uninstall DESTDIR="$scratch/dest"
empty "$scratch/dest"
make -s uninstall DESTDIR="$scratch/dest" >"$scratch/again" 2>&1 || fail "a second make uninstall"
[ ! -s "$scratch/again" ] || fail "a second make uninstall says: $(cat "$scratch/again")"
rm "$deb"
echo "packaging: built twice, installed, used, removed"
