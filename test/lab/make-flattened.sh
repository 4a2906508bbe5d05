#!/bin/bash
# make-flattened.sh: boots Debian's 6.1 cloud kernel under software emulation and has QEMU dump its memory twice, as ELF and as flattened
# kdump: $SMELT_CACHE/flattened/qemu.{elf,flat} (default ~/.cache/smelt). Made once; half a minute; no root.
#
# Needs qemu-system-x86, busybox-static, cpio, kmod and python3.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=${SMELT_CACHE:-$HOME/.cache/smelt}/flattened
[ ! -e "$out/qemu.flat" ] || exit 0
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

tree=$("$here/get-kernel.sh" linux-image-6.1.0-56-cloud-amd64)
cat > "$work/init" << 'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /bin /proc /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
while read -r module; do insmod "/lib/modules/$module"; done < /lib/modules/order
mount -t tmpfs tmpfs /tmp
yes 'a page of tmpfs' | head -c 2000000 > /tmp/text
head -c 2000000 /dev/urandom > /tmp/noise
echo READY > /dev/console
while :; do sleep 60; done
INIT
"$here/initramfs.sh" "$tree" "$work/init" "$work/initramfs.gz" qemu_fw_cfg
truncate -s 1M "$work/disk.img"
MEMORY=96 FLATTENED=$work/qemu.flat "$here/boot-and-dump.sh" "$tree" "$work/initramfs.gz" "$work/disk.img" "$work/qemu.elf" "$work/console" \
  'init_on_alloc=1 init_on_free=1' >&2
chmod 644 "$work/qemu.flat" "$work/qemu.elf"
mv "$work/qemu.elf" "$out/qemu.elf"
mv "$work/qemu.flat" "$out/qemu.flat"
