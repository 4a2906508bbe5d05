#!/bin/bash
# initramfs.sh KERNEL_TREE INIT OUT "MODULE ..." [DEST=SOURCE ...]
# Packs a busybox initramfs. KERNEL_TREE is an unpacked Debian kernel package; /lib/modules/order lists the modules and what
# they need, in the order of insmod; without any, KERNEL_TREE may be empty. Owners, times and inode numbers are fixed: nothing of the
# building machine gets in.
set -euo pipefail
tree=$1 init=$2 out=$(realpath "$3") modules=$4
shift 4

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# It becomes /, where others than root live too.
chmod 755 "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib/modules}
install -m 755 "${BUSYBOX:-/usr/bin/busybox}" "$root/bin/busybox"
install -m 755 "$init" "$root/init"

if [ -n "$modules" ]; then
  release=$(ls "$tree/lib/modules")
  [ -e "$tree/lib/modules/$release/modules.dep" ] || depmod -b "$tree" "$release"
fi
: > "$root/lib/modules/order"
for module in $modules; do
  modprobe -S "$release" -d "$tree" --show-depends "$module" | awk '/^insmod/ { print $2 }' | while read -r path; do
    name=$(basename "$path")
    name=${name%.xz}
    [ -e "$root/lib/modules/$name" ] && continue
    case $path in
      *.xz) xz -dc "$path" ;;
      *) cat "$path" ;;
    esac > "$root/lib/modules/$name"
    echo "$name" >> "$root/lib/modules/order"
  done
done
for pair; do install -D -m 755 "${pair#*=}" "$root/${pair%%=*}"; done

find "$root" -exec touch -h -d @0 {} +
cd "$root"
find . | LC_ALL=C sort | cpio --quiet -o -H newc --owner 0:0 --reproducible | gzip -9n > "$out"
