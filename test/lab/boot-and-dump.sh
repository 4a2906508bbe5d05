#!/bin/bash
# boot-and-dump.sh KERNEL_TREE INITRAMFS DISK OUT CONSOLE "KERNEL PARAMETERS"
# Boots a guest under software emulation, waits until it says READY on its console, and writes its memory to OUT, as QEMU does
# it (elf-normalize.py makes that readable for makedumpfile). CONSOLE is the file for the console's text.
#   env: MEMORY (MiB, or what QEMU's -m takes), MACHINE (more of QEMU's options), CPU (a QEMU CPU model, qemu64), LIMIT (seconds, 180), FLATTENED (a file for the same as a flattened kdump)
set -euo pipefail
here=$(dirname "$(realpath "$0")")
tree=$1 initramfs=$2 disk=$3 out=$4 console=$5 parameters=$6

: > "$console"
sockets=$(mktemp -d)
qemu_pid=
trap '[ -z "$qemu_pid" ] || kill "$qemu_pid" 2> /dev/null || true; rm -rf "$sockets"' EXIT

timeout "${LIMIT:-180}" qemu-system-x86_64 -accel tcg,thread=multi -cpu "${CPU:-qemu64}" -smp 2 -m "$MEMORY" ${MACHINE:-} \
  -nodefaults -vga none -display none -no-reboot -device vmcoreinfo \
  -kernel "$tree"/boot/vmlinuz-* -initrd "$initramfs" -append "console=ttyS0 panic=1 $parameters" \
  -drive "file=$disk,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk \
  -serial "file:$console" -qmp "unix:$sockets/qmp,server,nowait" &
qemu_pid=$!
until grep -q '^READY' "$console" 2> /dev/null; do
  kill -0 $qemu_pid 2> /dev/null || { cat "$console"; echo "the guest ended before it was READY" >&2; exit 1; }
  sleep 0.5
done
python3 "$here/qemu-dump.py" "$sockets/qmp" "$out" ${FLATTENED:+"$FLATTENED"}
wait $qemu_pid || true
qemu_pid=
chmod u+w "$out"

grep -aq 'VMCOREINFO' <(head -c 65536 "$out") || { echo 'QEMU wrote no VMCOREINFO note' >&2; exit 1; }
