#!/bin/bash
# record.sh OUT: boots a Debian kernel under software emulation, stacks file systems on dm-crypt, LVM, md and loop devices in every
# order there (init), and writes what its /proc, /sys and /dev say of them to OUT, in the form of test/luks/tree-file.ts.
#
# Needs qemu-system-x86_64, busybox, cryptsetup-bin, dmsetup, e2fsprogs; no root. What else the guest needs is fetched with apt and
# unpacked in $SMELT_CACHE (default ~/.cache/smelt), not installed.
#   env: KERNEL (linux-image-6.1.0-56-cloud-amd64), LIMIT (seconds, 400)
set -euo pipefail
here=$(dirname "$(realpath "$0")")
lab=$here/../../../lab
out=$(realpath "$1")
cache=${SMELT_CACHE:-$HOME/.cache/smelt}/storage-tools
tree=$("$lab/get-kernel.sh" "${KERNEL:-linux-image-6.1.0-56-cloud-amd64}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -e "$cache/sbin/lvm" ]; then
  mkdir -p "$cache" "$work/debs"
  (cd "$work/debs" && apt-get download lvm2 mdadm btrfs-progs xfsprogs fdisk libfdisk1 libaio1 libdevmapper-event1.02.1 liblzo2-2 libreadline8 libinih1 liburcu8 libedit2) > /dev/null
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$cache"; done
fi

export LD_LIBRARY_PATH=$cache/lib/x86_64-linux-gnu:$cache/usr/lib/x86_64-linux-gnu
pairs=()
for program in cryptsetup integritysetup veritysetup dmsetup mkfs.ext4 lvm mdadm mkfs.btrfs btrfs mkfs.xfs sfdisk; do
  path=$(PATH=$cache/sbin:$cache/bin:$cache/usr/sbin:/usr/sbin:/sbin:$PATH command -v "$program")
  pairs+=("sbin/$program=$path")
  while read -r library; do pairs+=("lib64/$(basename "$library")=$library"); done < <(ldd "$path" | grep -o '/[^ ]*')
done
# Argon2's threads load it when they end.
pairs+=("lib64/libgcc_s.so.1=$(realpath /lib/x86_64-linux-gnu/libgcc_s.so.1)")
modules="virtio_pci virtio_blk ext4 xfs btrfs overlay loop zram dm_mod dm_crypt dm_integrity dm_verity dm_multipath dm_round_robin dm_service_time raid1
 xts aesni_intel aes_generic sha256_generic hmac authenc ecb cbc essiv algif_skcipher algif_hash crypto_null crc32c_generic lzo lzo_rle"
"$lab/initramfs.sh" "$tree" "$here/init" "$work/initramfs" "$modules" $(printf '%s\n' "${pairs[@]}" | sort -u)

disks=()
for letter in a b c d e f g h i j k l m n o p q; do
  truncate -s 160M "$work/vd$letter"
  disks+=(-drive "file=$work/vd$letter,format=raw,if=none,id=$letter" -device "virtio-blk-pci,drive=$letter,serial=disk-$letter")
done
timeout "${LIMIT:-400}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -vga none -display none -no-reboot \
  -kernel "$tree"/boot/vmlinuz-* -initrd "$work/initramfs" -append 'console=ttyS0 panic=1 quiet' \
  "${disks[@]}" -serial "file:$work/console" -serial "file:$work/record" || true
cat "$work/console" >&2
grep -q '^END' "$work/record" || { echo 'the guest did not come to its end' >&2; exit 1; }
tr -d '\r' < "$work/record" | sed '/^END/d' > "$out"
