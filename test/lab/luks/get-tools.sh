#!/bin/bash
# get-tools.sh: fetches what the guests need beside busybox and node: cryptsetup 2.7, dmsetup, lvm, keyctl, kexec and mkfs.ext4 of Debian
# trixie with their libraries, once; prints the path of the tree. 15 seconds and 60 MB; no root.
#   env: SMELT_CACHE (~/.cache/smelt)
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
packages='cryptsetup-bin dmsetup lvm2 keyutils kexec-tools e2fsprogs libstdc++6 libgcc-s1'
tree=$cache/luks/tools-$(sha256sum <<< "$packages" | head -c 12)
if [ ! -e "$tree" ]; then
  mkdir -p "$cache/luks"
  rm -rf "$tree.partial"
  # libgcc_s is loaded when threads end; libstdc++ is node's.
  "$here/../fetch.sh" trixie "$tree.partial" $packages
  mv "$tree.partial" "$tree"
fi
echo "$tree"
