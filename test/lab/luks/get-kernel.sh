#!/bin/bash
# get-kernel.sh: builds a small kernel with CONFIG_CRASH_DM_CRYPT, which Debian's kernels do not have, from Debian's newest kernel
# source (trixie-backports) and kernel.config; prints the path of its bzImage. Four minutes on two CPUs; a second run prints it at
# once, as long as kernel.config stays as it is.
#
# Needs gcc, make, flex, bison, bc, libelf-dev, xz; no root. 2 GB in $SMELT_CACHE (default ~/.cache/smelt) while it builds, 4 MB after.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
home=$cache/luks/kernel-$(sha256sum < "$here/kernel.config" | head -c 12)
if [ ! -e "$home/bzImage" ]; then
  for tool in gcc make flex bison bc xz; do
    command -v "$tool" > /dev/null || { echo "to build a kernel $tool is needed (apt install gcc make flex bison bc libelf-dev xz-utils)" >&2; exit 1; }
  done
  mkdir -p "$cache/luks"
  work=$(mktemp -d "$cache/luks/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  "$here/../fetch.sh" trixie-backports "$work/package" --alone linux-source
  mkdir "$work/linux"
  tar -C "$work/linux" --strip-components=1 -xf "$work"/package/usr/src/linux-source-*.tar.*
  cd "$work/linux"
  make -s allnoconfig KCONFIG_ALLCONFIG="$here/kernel.config"
  lost=$(grep '^CONFIG_' "$here/kernel.config" | while read -r line; do grep -qxF "$line" .config || echo "$line"; done)
  [ -z "$lost" ] || echo "not taken by this kernel: $lost" >&2
  grep -qx CONFIG_CRASH_DM_CRYPT=y .config || { echo 'this kernel source has no CONFIG_CRASH_DM_CRYPT' >&2; exit 1; }
  nice make -s "-j$(nproc)" KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab bzImage > "$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
  mkdir -p "$home"
  cp .config "$home/config"
  cp arch/x86/boot/bzImage "$home/bzImage.partial"
  mv "$home/bzImage.partial" "$home/bzImage"
fi
echo "$home/bzImage"
