# smallest.sh: the smallest crashkernel=, in steps of 16 MiB, in which the stock part's dump can be made. Read in by run.

# works PART MIB: whether a machine with that much for its crash kernel gets its dump.
works() {
  rm -f "$machine/vdb" && truncate -s 2G "$machine/vdb"
  LIMIT=240 MEMORY=2320 boot first "$1" "crashkernel=$2M"
  grep -aq '^GUEST it came to its end with 0' "$text"
}
# Halves the range until the sizes that work and that do not are neighbours.
smallest_of() { # PART
  local works_at=256 fails_at=64 middle
  works "$1" 256 || { echo "$1 does not work with 256M"; return; }
  while [ $((works_at - fails_at)) -gt 16 ]; do
    middle=$(((works_at + fails_at) / 32 * 16))
    if works "$1" $middle; then works_at=$middle; else fails_at=$middle; fi
    echo "  $1 crashkernel=${middle}M: $([ $works_at = $middle ] && echo works || echo "fails: $(grep -aoE 'out of memory|Out of memory|write error|System is deadlocked|Killed|Cannot load|kexec.*failed|GUEST it came.*|reserved' "$text" | tail -n 1)")" >&2
  done
  sed -n "s/^GUEST crash $1: //p" "$text" >&2
  printf '%-24s %5d MiB works, %d MiB does not\n' "${1#smallest-}" $works_at $fails_at
}
smallest() { # smelt|makedumpfile...
  local tree kernel what
  tree=$("$lab/get-kernel.sh" "${KERNEL:-linux-image-6.1.0-56-amd64}")
  kernel=$(echo "$tree"/boot/vmlinuz-*)
  for what in "$@"; do
    if [ $what = smelt ]; then machine smelt "$kernel" "$tree" 2G 16M; else image='' machine makedumpfile "$kernel" "$tree" 2G 16M; fi
    smallest_of smallest-$what
  done
}
