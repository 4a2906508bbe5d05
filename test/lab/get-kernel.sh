#!/bin/bash
# get-kernel.sh PACKAGE: fetches a Debian kernel package (linux-image-*) with apt and unpacks it in $SMELT_CACHE (default
# ~/.cache/smelt), once; prints the path of the unpacked tree. No root.
set -euo pipefail
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
package=$1
tree=$cache/k/$package

if [ ! -e "$tree/boot" ]; then
  mkdir -p "$cache/debs" "$tree"
  (cd "$cache/debs" && ls "${package}"_*.deb > /dev/null 2>&1 || apt-get download "$package") >&2
  dpkg-deb -x "$cache/debs/${package}"_*.deb "$tree"
fi
echo "$tree"
