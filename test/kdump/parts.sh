# parts.sh: what each part boots, and what has to hold after it. Read in by run.

# crashes PART: boots the machine, which panics; the console is in $text.
crashes() {
  boot first "$1" "crashkernel=${CRASHKERNEL:-256M}"
  if grep -aq "^GUEST crash $1: " "$text"; then
    result ok "$1: the machine panics into its crash kernel" "$(sed -n "s/^GUEST crash $1: //p" "$text")"
  else
    result FAIL "$1: the machine panics into its crash kernel"
    tail -n 40 "$text"
    return 1
  fi
}
# says NAME PATTERN: the console has a line that matches.
says() {
  local line
  if line=$(grep -aE -m 1 "$2" "$text"); then result ok "$1" "$(sed 's/^\[[ 0-9.]*\] *//' <<< "$line")"; else result FAIL "$1" "no line of the console matches $2"; fi
}
says_not() {
  local line
  if line=$(grep -aE -m 1 "$2" "$text"); then result FAIL "$1" "$line"; else result ok "$1"; fi
}
# has_log NAME FILE: the kernel log, from its first line to the panic.
has_log() {
  if [ -f "$2" ] && grep -q 'Linux version' "$2" && grep -q 'kdump test: .* crashes after this line' "$2" \
    && tail -n 80 "$2" | grep -q 'Kernel panic - not syncing: sysrq triggered crash'; then
    result ok "$1" "$(wc -l < "$2") lines"
  else
    result FAIL "$1" "$([ -f "$2" ] && tail -n 2 "$2" || echo "there is no $(basename "$2")")"
  fi
}
# has_dump NAME DIRECTORY: whole, for root alone, and readable.
has_dump() {
  local said
  if [ ! -f "$2/vmcore" ] || [ -e "$2/vmcore.incomplete" ]; then
    result FAIL "$1" "$(ls -A "$2" | tr '\n' ' ')"
  elif [ "$(stat -c %a "$2/vmcore")" != 600 ] || [ "$(stat -c %a "$2")" != 700 ]; then
    result FAIL "$1" "modes: $(stat -c '%a %n' "$2" "$2/vmcore" | tr '\n' ' ')"
  elif said=$("$project/bin/smelt" -z -d 31 --dry-run "$2/vmcore" 2>&1); then
    result ok "$1" "$(stat -c %s "$2/vmcore") bytes, $(head -n 2 <<< "${said#*/vmcore}" | tr -s ' \n' ' ')"
  else
    result FAIL "$1" "smelt does not read it: $said"
  fi
}
# has_beginning NAME DIRECTORY: a dump under the name that says so.
has_beginning() {
  if [ -s "$2/vmcore.incomplete" ] && [ ! -e "$2/vmcore" ]; then result ok "$1" "$(stat -c %s "$2/vmcore.incomplete") bytes"; else result FAIL "$1" "$(ls -A "$2" | tr '\n' ' ')"; fi
}
# The directory of the crash, which is the only one.
dump_directory() { echo "$out"/volume/var/crash/*; }

# with_makedumpfile PART MEMORY-IN-MIB DISK: Debian's kernel; makedumpfile dumps the same memory in the same crash kernel.
with_makedumpfile() {
  local part=$1 tree directory line
  tree=$("$lab/get-kernel.sh" "${KERNEL:-linux-image-6.1.0-56-amd64}")
  machine "$part" "$(echo "$tree"/boot/vmlinuz-*)" "$tree" "$3" "$3"
  MEMORY=$2 crashes "$part" || return 0
  says "$part: save ends with 0" '^\[.*\] exit code 0$'
  says "$part: the key file opens the volume, found by its UUID" ' open +/dev/vdb as luks-'
  says "$part: the volume is closed" ' close +luks-'
  "$python" "$here/figures.py" "$text" "$(basename "$tree")" > "$work/figures" || result FAIL "$part: the figures are there"
  bring_out "$part"
  directory=$(dump_directory)
  has_log "$part: the kernel log is on the volume" "$directory/vmcore-dmesg.txt"
  "$makedumpfile" --message-level 4 --dump-dmesg "$directory/peer" "$machine/log"
  verdict "$part: the log is what makedumpfile finds in its own dump" '' cmp "$machine/log" "$directory/vmcore-dmesg.txt"
  has_dump "$part: the dump is on the volume" "$directory"
  while IFS= read -r line; do
    case $line in
      'ok '*) line=${line#ok   }; result ok "$part: ${line%%: *}" "${line#*: }" ;;
      'FAIL '*) line=${line#FAIL }; result FAIL "$part: ${line%%: *}" "${line#*: }" ;;
    esac
  done < <("$python" "$here/compare.py" "$directory/vmcore" "$directory/peer" "$directory/headers" || true)
  [ "${SMELT_CRASH:-}" != 1 ] || crash_reads "$part" "$directory"
}
part_stock() { with_makedumpfile stock 2320 2G; }
# 8 GiB, of which the kernel holds several hundred MiB: what smelt needs once and what it needs a page come apart.
part_large() { LIMIT=900 with_makedumpfile large 8464 4G; }

part_keys() {
  machine keys "$lab_kernel" '' 256M 256M
  crashes keys || return 0
  says 'keys: the key is registered' '^GUEST registered: 0'
  says 'keys: the key that was handed over opens the volume' '  find key +kdump-cryptsetup:vk-'
  says 'keys: save ends with 0' '^\[.*\] exit code 0$'
  bring_out keys
  has_log 'keys: the kernel log is on the volume' "$(dump_directory)/vmcore-dmesg.txt"
  has_dump 'keys: the dump is on the volume' "$(dump_directory)"
}

# Each failure with the outcome that docs/kdump.md promises.
part_second-crash() {
  machine second-crash "$lab_kernel" '' 1G 1G
  crashes second-crash || return 0
  says 'second crash: the crash kernel crashes while smelt writes' '^GUEST the crash kernel crashes'
  verdict 'second crash: it panics' '' [ "$(grep -ac 'Kernel panic - not syncing: sysrq triggered crash' "$text")" = 2 ]
  bring_out second-crash
  has_log 'second crash: the kernel log is on the volume' "$(dump_directory)/vmcore-dmesg.txt"
  has_beginning 'second crash: what there is of the dump is not called vmcore' "$(dump_directory)"
}

part_full() {
  machine full "$lab_kernel" '' 64M 256M
  crashes full || return 0
  says 'full: save ends with 1' '^\[.*\] exit code 1$'
  says 'full: it says why' 'no space left on the device'
  bring_out full
  has_log 'full: the kernel log is on the volume' "$(dump_directory)/vmcore-dmesg.txt"
  has_beginning 'full: what there is of the dump is not called vmcore' "$(dump_directory)"
}

part_missing() {
  machine missing "$lab_kernel" '' 64M 256M
  crashes missing || return 0
  says 'missing: the device is waited for, and named' 'save: the LUKS device UUID=0+-.* did not come up in 2 s'
  says 'missing: save turns the machine off' 'save: turning off'
  says_not 'missing: nothing comes after that' '^GUEST done: crash'
  bring_out missing
  has_log 'missing: the kernel log is on the other disk' "$(echo "$out"/plain/vmcore-dmesg-*.txt)"
  verdict 'missing: nothing is on the volume' '' [ ! -e "$out/volume/var/crash" ]
}

part_damaged() {
  cp "$work/smelt.img" "$work/damaged.img"
  dd if=/dev/zero of="$work/damaged.img" bs=1M seek=4 count=20 conv=notrunc 2> /dev/null
  image=$work/damaged.img machine damaged "$lab_kernel" '' 1G 1G
  crashes damaged || return 0
  says 'damaged: cryptsetup opens the volume instead' 'save: smelt cannot unlock it: cryptsetup is tried'
  says 'damaged: somebody else makes the dump' 'smelt: .*the dump is whole, by makedumpfile|a copy of all memory \(ELF\) is whole'
  says 'damaged: save ends with 0' '^\[.*\] exit code 0$'
  bring_out damaged
  has_log 'damaged: the kernel log is on the volume' "$(dump_directory)/vmcore-dmesg.txt"
  has_dump 'damaged: the dump is on the volume' "$(dump_directory)"
}

# crash says the same of both dumps: who panicked, where each CPU was.
crash_reads() { # PART DIRECTORY
  local vmlinux=${SMELT_VMLINUX:-$cache/dbg/6.1.0-56-amd64/vmlinux-6.1.0-56-amd64} dump
  [ -e "$vmlinux" ] || { result FAIL "$1: crash reads the dumps" "there is no $vmlinux; test/peers/crash.sh fetches it"; return 0; }
  printf '%s\n' sys bt 'bt -a' ps log quit > "$work/ask"
  for dump in vmcore peer; do
    timeout 300 crash -s "$vmlinux" "$2/$dump" -i "$work/ask" < /dev/null > "$work/crash-$dump.all" 2>&1 || true
    grep -v '^ *DUMPFILE: ' "$work/crash-$dump.all" > "$work/crash-$dump" || true
  done
  if grep -q 'PANIC: .*sysrq' "$work/crash-vmcore" && grep -q '#.* sysrq_handle_crash' "$work/crash-vmcore"; then
    result ok "$1: crash names the task that panicked, and where" "$(grep -m 1 'COMMAND: "' "$work/crash-vmcore" | tr -s ' ')"
  else
    result FAIL "$1: crash names the task that panicked, and where" "$(tail -n 2 "$work/crash-vmcore")"
  fi
  verdict "$1: crash says the same of both dumps" "$(wc -l < "$work/crash-vmcore") lines" cmp "$work/crash-vmcore" "$work/crash-peer"
}
