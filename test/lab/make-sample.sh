#!/bin/bash
# make-sample.sh: makes samples/x86_64-6.1-small.{kdump,json}: boots Debian's 6.1 cloud kernel under software emulation, lets
# workload.c and init-sample fill its memory, and dumps it unfiltered. samples/README.md says what is in it.
#
# Needs qemu-system-x86, busybox-static, cpio, e2fsprogs, kmod, musl-tools, makedumpfile and python3; about a minute; no root.
# Kernel package and scratch files go to $SMELT_CACHE (default ~/.cache/smelt).
#   make-sample.sh [NAME]      env: KERNEL (package), MEMORY (MiB), CPU (a QEMU CPU model), KEEP_ELF=1
set -euo pipefail
here=$(dirname "$(realpath "$0")")
samples=$here/../../samples
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
name=${1:-x86_64-6.1-small}
package=${KERNEL:-linux-image-6.1.0-56-cloud-amd64}
memory=${MEMORY:-84}

tree=$("$here/get-kernel.sh" "$package")
work=$(mktemp -d "$cache/sample.XXXXXX")
trap 'rm -rf "$work"' EXIT

musl-gcc -Os -Wall -Wextra -static -s -pthread -o "$work/workload" "$here/workload.c"
"$here/initramfs.sh" "$tree" "$here/init-sample" "$work/initramfs.gz" 'qemu_fw_cfg virtio_pci virtio_blk' \
  "bin/workload=$work/workload"

# The disk: a few files of text that says where it is. Fixed UUIDs, so that only the kernel's own randomness differs.
mkdir "$work/files"
for file in first second mapped; do
  awk -v file="$file" 'BEGIN { for (n = 0; n < 4000; n++) printf "%-255s\n", file ".txt, a clean page cache page, line " n }' \
    > "$work/files/$file.txt"
done
find "$work/files" -exec touch -d @0 {} +
truncate -s 24M "$work/disk.img"
uuid=5a4d454c-5400-4000-8000-000000000001
E2FSPROGS_FAKE_TIME=1 mkfs.ext4 -q -F -U $uuid -E "hash_seed=$uuid,root_owner=0:0,lazy_itable_init=0" -d "$work/files" "$work/disk.img"

MEMORY=$memory "$here/boot-and-dump.sh" "$tree" "$work/initramfs.gz" "$work/disk.img" "$work/qemu.elf" "$work/console" \
  'init_on_alloc=1 init_on_free=1 lockdown=confidentiality ipv6.disable=1'
grep -E 'insmod .* failed|qemu_fw_cfg:|mount failed|workload|cannot|hog-[a-z]*:' "$work/console" >&2 || true
python3 "$here/elf-normalize.py" "$work/qemu.elf" "$work/sample.elf"
makedumpfile --message-level 4 -c -d 0 "$work/sample.elf" "$work/$name.kdump"
python3 "$here/../peers/count.py" "$work/$name.kdump" --same-as "$work/sample.elf" > "$work/$name.json"

mkdir -p "$samples"
install -m 644 "$work/$name.kdump" "$work/$name.json" "$samples/"
mkdir -p "$cache/samples"
install -m 644 "$work/console" "$cache/samples/$name.console"
[ -z "${KEEP_ELF:-}" ] || install -m 644 "$work/qemu.elf" "$cache/samples/$name.elf"
ls -l "$samples/$name".*
