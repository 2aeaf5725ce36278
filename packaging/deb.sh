#!/usr/bin/env bash
# deb.sh VERSION FILE: makes a Debian package of what `make install` installs. The same bytes from the same commit: times are the
# commit's (SOURCE_DATE_EPOCH), owners root's. Who builds it is its maintainer: DEBFULLNAME and DEBEMAIL, or the commit's author.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 TZ=UTC
here=$(cd "$(dirname "$0")/.." && pwd)
version=$1-1 file=$(realpath "$2")
cd "$here"

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
author=$(git log -1 --format='%an <%ae>' 2>/dev/null) || author='unknown <root@localhost>'
maintainer=$author
[ -z "${DEBEMAIL:-}" ] || maintainer="${DEBFULLNAME:-$DEBEMAIL} <$DEBEMAIL>"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"
make -s install DESTDIR="$tree" PREFIX=/usr ZSHDIR=share/zsh/vendor-completions

# Debian's places: the licence is in copyright, and the changelog has a name of its own.
doc=$tree/usr/share/doc/tare
rm "$doc/LICENSE"
mv "$doc/CHANGELOG.md" "$doc/changelog"
cat >"$doc/changelog.Debian" <<END
tare ($version) unstable; urgency=medium

  * Package of tare $1. What is new in it: changelog.gz.

 -- $maintainer  $(date -R -d "@$SOURCE_DATE_EPOCH")
END
install -D -m 0644 packaging/lintian-overrides "$tree/usr/share/lintian/overrides/tare"
find "$tree/usr/share/man" "$doc/changelog" "$doc/changelog.Debian" -type f -exec gzip -9n {} +

mkdir "$tree/DEBIAN"
size=$(find "$tree/usr" -printf '%y %s\n' | awk '{ n += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print n }')
sed -e "s|@VERSION@|$version|; s|@ARCH@|$(dpkg --print-architecture)|" \
  -e "s|@MAINTAINER@|$maintainer|; s|@SIZE@|$size|" packaging/control >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$tree" "$file"
