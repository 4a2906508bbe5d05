#!/bin/bash
# add-program.sh TREE PROGRAM ROOT PLACE: puts a program at PLACE below ROOT, and what it is linked against into ROOT's library folder,
# with the loader: all out of TREE, unpacked Debian packages. PROGRAM may come from elsewhere; its libraries do not.
set -euo pipefail
tree=$1 program=$2 root=$3 place=$4
triplet=x86_64-linux-gnu
loader=$tree/usr/lib64/ld-linux-x86-64.so.2
[ -e "$root/usr/lib64/ld-linux-x86-64.so.2" ] || install -D -m 755 "$loader" "$root/usr/lib64/ld-linux-x86-64.so.2"
install -D -m 755 "$program" "$root$place"
"$loader" --library-path "$tree/usr/lib/$triplet" --list "$program" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | while read -r needed; do
  case $needed in */ld-linux*) continue ;; esac
  install -D -m 755 "$needed" "$root/usr/lib/$triplet/$(basename "$needed")"
done
