#!/bin/bash
# inputs.sh [--force] [full|lean|all]: makes the dumps that the benchmarks read: memory of guests with Debian's 6.1 cloud
# kernel (4 levels of page tables), booted under software emulation and dumped unfiltered, in a form that makedumpfile reads.
# What is there stays.
#
#   $SMELT_CACHE/bench/full.elf   6.5 GiB, a busy server: about 60 % is not zero, 0.4 GiB of it the kernel's own. Page cache of
#                                 real files, heaps with pointers made from real text, a Python heap, sorted lines, a database's
#                                 pool, huge pages, tmpfs, what ended programs left
#   $SMELT_CACHE/bench/lean.elf   4 GiB, mostly free: -d 31 keeps about 0.15 GiB, the kernel's own pages
#   NAME.txt, NAME.console        the figures printed here, and what the guest said
#
# The guest's files are a fixed choice out of this machine's /usr, so that inputs of two machines are alike, not equal.
# guest/init says what runs in the guests, guest/server.c what it keeps in memory.
#
# Needs qemu-system-x86, busybox-static, cpio, e2fsprogs, kmod, musl-tools, python3, and get-makedumpfile.sh for the figures;
# no root. Memory 8 GiB, disk 15 GB while it runs and 5 GB after it; on two CPUs a minute for lean and four for full.
#   env: SMELT_CACHE (~/.cache/smelt), KERNEL (package)
set -euo pipefail
TIMEFORMAT=%R
here=$(dirname "$(realpath "$0")")
lab=$here/../test/lab
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
out=$cache/bench
force=
[ "${1:-}" != --force ] || { force=1; shift; }
case ${1:-all} in
  full | lean) names=$1 ;;
  all) names='full lean' ;;
  *) echo 'inputs.sh [--force] [full|lean|all]' >&2; exit 1 ;;
esac

declare -A memory=([full]=6656 [lean]=4096) files=([full]=1200 [lean]=150)

mkdir -p "$out"
work=$(mktemp -d "$out/inputs.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The guest's disk, MiB of files: Python with its library, and files of /usr in an order that depends on nothing but their names and sizes.
make_disk() {
  local root=$work/root python library
  mkdir -p "$root/text"
  python=$(PATH=/usr/bin:$PATH python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
  library=$("$python" -c 'import os; print(os.path.dirname(os.__file__))')
  { echo "$library"; echo "$python"; ldd "$python" | grep -oE '/[^ ]+'; } | xargs cp -rL --parents -t "$root"
  ln -s "$python" "$root/python"
  cp "$here/guest/objects.py" "$root/"
  { find /usr -xdev -type f -readable -size -32768k ! -path "$library/*" ! -name '*[[:cntrl:]]*' ! -name '*.jar' \
    -printf '%s %p\n' 2> /dev/null || true; } | LC_ALL=C sort -k 2 | LC_ALL=C sort -R --random-source=<(yes) \
    | awk -v limit=$(($1 * 1048576)) '(sum += $1 + 2048) <= limit { sub(/^[0-9]+ /, ""); print }' > "$work/list"
  tar -C / --ignore-failed-read -cf - -T "$work/list" 2> /dev/null | tar -C "$root" -xf - --no-same-owner
  (cd "$root/usr" && find . -type f \( -name '*.py' -o -name '*.txt' -o -name '*.h' -o -name '*.js' -o -name '*.md' \) -size -400k | LC_ALL=C sort) \
    | (cd "$root/usr" && xargs -d '\n' cat) 2> /dev/null | head -c 28M > "$root/text/all" || true
  mkdir "$root/tmpfs"
  (cd "$root/usr" && find . -type f | LC_ALL=C sort | awk 'NR % 8 == 0' | xargs -d '\n' cp --parents -t "$root/tmpfs")
  truncate -s "$(($(du -sm "$root" | cut -f 1) * 23 / 20 + 128))M" "$work/disk.img"
  mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0 -d "$root" "$work/disk.img"
  rm -rf "$root"
}

# What the peer says of a dump: pages, and pages kept by level.
describe() {
  local file=$1 makedumpfile level seconds all kept
  makedumpfile=$("$here/get-makedumpfile.sh")
  echo "$(basename "$file")  $(stat -c %s "$file") bytes, $(du -B 1 "$file" | cut -f 1) on the disk"
  for level in 1 31; do
    rm -f "$work/try"
    seconds=$({ time "$makedumpfile" --message-level 31 -z -d $level "$file" "$work/try" > "$work/said" 2>&1; } 2>&1) \
      || { cat "$work/said" >&2; exit 1; }
    all=$(sed -n 's/^Original pages *: //p' "$work/said") kept=$(sed -n 's/^ *Remaining pages *: //p' "$work/said")
    awk -v level=$level -v seconds="$seconds" -v bytes="$(stat -c %s "$work/try")" -v all=$((all)) -v kept=$((kept)) 'BEGIN {
      printf "  -d %-3d %d of %d pages kept (%.1f %%, %.2f GiB); makedumpfile -z: %s s, %d bytes, %.2f to 1\n",
        level, kept, all, 100 * kept / all, kept / 262144, seconds, bytes, kept * 4096 / bytes }'
  done
}

make_input() {
  local name=$1 tree began=$SECONDS
  tree=$("$lab/get-kernel.sh" "${KERNEL:-linux-image-6.1.0-56-cloud-amd64}")
  musl-gcc -O2 -Wall -Wextra -static -s -pthread -o "$work/server" "$here/guest/server.c"
  "$lab/initramfs.sh" "$tree" "$here/guest/init" "$work/initramfs.gz" 'qemu_fw_cfg virtio_pci virtio_blk ext4' "bin/server=$work/server"
  make_disk "${files[$name]}"
  echo "$name: disk made in $((SECONDS - began)) s" >&2
  MEMORY=${memory[$name]} LIMIT=1200 "$lab/boot-and-dump.sh" "$tree" "$work/initramfs.gz" "$work/disk.img" "$work/$name.elf" \
    "$out/$name.console" "workload=$name"
  grep -E 'insmod .* failed|qemu_fw_cfg:|mount failed|out of memory|No space|: cannot|Killed process|Traceback|nothing is up' "$out/$name.console" >&2 || true
  python3 "$lab/elf-normalize.py" "$work/$name.elf" "$work/$name.elf"
  fallocate --dig-holes "$work/$name.elf"
  chmod 644 "$work/$name.elf"
  { describe "$work/$name.elf"; echo "  made in $((SECONDS - began)) s, $(basename "$tree")"; } > "$work/$name.txt"
  mv "$work/$name.elf" "$work/$name.txt" "$out/"
}

for name in $names; do
  [ -z "$force" ] && [ -e "$out/$name.elf" ] && [ -e "$out/$name.txt" ] || make_input "$name"
  cat "$out/$name.txt"
done
