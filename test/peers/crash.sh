#!/bin/bash
# crash.sh: crash must say the same of smelt's -d 31 output as of the dump that it was made of; of that of an SME twin
# (test/build/sme-twin.ts, a stand-in for encrypted memory) too, its page table walks must lead where smelt's do, and `smelt info` must say
# what it says.
#
# For x86_64-6.1-4level and x86_64-6.1-proc-vmcore, whose vmlinux is in a Debian package of 860 MB (fetched once, kept in
# $SMELT_CACHE with the 630 MB unpacked; SMELT_VMLINUX names one that is there already). Prints lines like the other checks.
# Env: CRASH (default crash), SMELT_BIN, SMELT_FIXTURES, SMELT_CACHE.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
smelt=${SMELT_BIN:-$here/../../bin/smelt}
crash=${CRASH:-crash}
python=${PYTHON:-/usr/bin/python3}
release=6.1.0-56-amd64
package=linux-image-$release-dbg
vmlinux=${SMELT_VMLINUX:-$cache/dbg/$release/vmlinux-$release}
time_limit=300

command -v "$crash" > /dev/null || { echo "FAIL crash: there is no $crash"; exit 1; }

fetch_vmlinux() {
  mkdir -p "$cache/debs" "$(dirname "$vmlinux")"
  local room
  room=$(df --output=avail -BM "$cache" | tail -1 | tr -dc 0-9)
  if [ "$room" -lt 2000 ]; then
    echo "FAIL crash: $package needs 2 GB in $cache, there are $room MB"
    exit 1
  fi
  (cd "$cache/debs" && ls "${package}"_*.deb > /dev/null 2>&1 || apt-get -qq download "$package") >&2
  dpkg-deb --fsys-tarfile "$cache/debs/${package}"_*.deb |
    tar -x --to-stdout "./usr/lib/debug/boot/vmlinux-$release" > "$vmlinux.partial"
  mv "$vmlinux.partial" "$vmlinux"
}
[ -e "$vmlinux" ] || fetch_vmlinux

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The lines that must differ, and nothing else:
#   DUMPFILE  names the file, and says [PARTIAL DUMP] of one that was filtered.
ask() { # COMMANDS OUT DUMP...
  timeout "$time_limit" "$crash" -s "$vmlinux" "${@:3}" -i "$1" < /dev/null > "$2.all" 2>&1 || return 1
  # Of a split dump the other files stand in lines of their own.
  grep -vE "^ *(DUMPFILES?: |$work/part)" "$2.all" > "$2"
}

run_ts() { # SCRIPT ARGUMENT...
  node "$here/../lab/run-ts.js" "$here/../lab/$1" "${@:2}"
}

failed=0
check() { # NAME COMMAND...      env: SME_BIT, of the twin that smelt is given instead of the dump
  local name=$1 dump input out answers
  dump=$("$python" "$here/dump-path.py" "$name") || { failed=1; echo "FAIL crash $name: no such dump"; return; }
  shift
  printf '%s\n' "$@" quit > "$work/commands"
  input=$dump out=$work/$name.d31
  if [ -n "${SME_BIT:-}" ]; then
    input=$work/$name.sme
    name="$name as SME twin"
    if ! run_ts sme-twin.ts "$dump" "$input" "$SME_BIT" > "$work/twin" 2>&1; then
      failed=1
      echo "FAIL crash $name: no twin: $(tail -n 2 "$work/twin" | tr '\n' ' ')"
      return
    fi
  fi
  if ! "$smelt" -l -d 31 -f "$input" "$out" > "$work/smelt" 2>&1; then
    failed=1
    echo "FAIL crash $name: smelt: $(tail -n 2 "$work/smelt" | tr '\n' ' ')"
    return
  fi
  for answers in original filtered; do
    [ $answers = original ] || dump=$out
    if ! ask "$work/commands" "$work/$answers" "$dump"; then
      failed=1
      echo "FAIL crash $name: crash ends with an error or after ${time_limit} s on the $answers dump: $(tail -n 1 "$work/$answers.all")"
      return
    fi
  done
  if ! grep -q "RELEASE: $release" "$work/original"; then
    failed=1
    echo "FAIL crash $name: crash does not understand the original dump: $(head -n 1 "$work/original")"
  elif ! grep -q 'DUMPFILE: .*PARTIAL DUMP' "$work/filtered.all"; then
    failed=1
    echo "FAIL crash $name: crash does not see that the dump was filtered"
  elif diff "$work/original" "$work/filtered" > "$work/diff"; then
    echo "ok   crash $name: $(wc -l < "$work/original") lines of $(IFS=,; echo "$*") are the same"
  else
    failed=1
    echo "FAIL crash $name: $(grep -c '^[<>]' "$work/diff") lines differ: $(grep -m 2 '^[<>]' "$work/diff" | tr '\n' ' ')"
  fi
}

# vtop must lead where smelt's own walk leads, in the filtered dump that is there already.
check_walks() { # NAME
  local walks
  run_ts walk.ts "$work/$1.d31" 300 | "$python" -c '
import json, sys
for walk in json.load(sys.stdin):
    print(walk["vaddr"][2:], format(walk["paddr"], "x"))' > "$work/walks"
  walks=$(wc -l < "$work/walks")
  (sed 's/^\([^ ]*\) .*/vtop \1/' "$work/walks"; echo quit) > "$work/commands"
  # The line behind each "VIRTUAL PHYSICAL" has the two addresses.
  if ! ask "$work/commands" "$work/vtop" "$work/$1.d31"; then
    failed=1
    echo "FAIL crash $1 as SME twin, vtop: it ends with an error: $(tail -n 1 "$work/vtop.all")"
  elif grep -A 1 '^VIRTUAL' "$work/vtop" | grep '^ffff' | sed 's/  */ /; s/ *$//' | diff "$work/walks" - > "$work/diff" && [ "$walks" -gt 0 ]; then
    echo "ok   crash $1 as SME twin, vtop: $walks addresses lead where smelt says"
  else
    failed=1
    echo "FAIL crash $1 as SME twin, vtop: of $walks addresses some lead elsewhere: $(grep -m 2 '^[<>]' "$work/diff" | tr '\n' ' ')"
  fi
}

# The walks to some addresses, one of which is not mapped, entry by entry and with their flags.
check_vtop() { # NAME
  local dump different
  dump=$("$python" "$here/dump-path.py" "$1")
  run_ts walk.ts "$dump" 3000 | "$python" -c '
import json, sys
for walk in json.load(sys.stdin)[::4]:
    print("vtop", walk["vaddr"][2:])' > "$work/commands"
  printf 'vtop ffffffffc0000000\nquit\n' >> "$work/commands"
  if ! ask "$work/commands" "$work/vtop" "$dump"; then
    failed=1
    echo "FAIL crash $1, --vtop: it ends with an error: $(tail -n 1 "$work/vtop.all")"
  elif different=$("$python" "$here/vtop.py" "$dump" < "$work/vtop") && [ -z "$different" ]; then
    echo "ok   crash $1, --vtop: $(grep -c '^VIRTUAL' "$work/vtop") walks are the same"
  else
    failed=1
    echo "FAIL crash $1, --vtop: $(head -n 1 <<< "$different")"
  fi
}

# What `smelt info` and `smelt dmesg --json` say: system, CPUs, and the log with its levels.
check_info() { # NAME
  local dump different
  dump=$("$python" "$here/dump-path.py" "$1")
  ("$python" "$here/info.py" --ask "$dump"; echo quit) > "$work/commands"
  if ! ask "$work/commands" "$work/info" "$dump"; then
    failed=1
    echo "FAIL crash $1, info: it ends with an error: $(tail -n 1 "$work/info.all")"
  elif different=$("$python" "$here/info.py" "$dump" < "$work/info") && [ -z "$different" ]; then
    echo "ok   crash $1, info: sys, registers and $(grep -c '^\[.*<[0-7]>' "$work/info") records of the log are the same"
  else
    failed=1
    echo "FAIL crash $1, info: $(head -n 2 <<< "$different" | tr '\n' ' ')"
  fi
}

# What `smelt symbols` says: of each module all, of the kernel some by name and by address.
check_symbols() { # NAME
  local dump different
  dump=$("$python" "$here/dump-path.py" "$1")
  ("$python" "$here/symbols.py" --ask "$dump"; echo quit) > "$work/commands"
  if ! ask "$work/commands" "$work/symbols" "$dump"; then
    failed=1
    echo "FAIL crash $1, symbols: it ends with an error: $(tail -n 1 "$work/symbols.all")"
  elif different=$("$python" "$here/symbols.py" "$dump" < "$work/symbols") && [ -z "$different" ]; then
    echo "ok   crash $1, symbols: all of $(grep -c 'MODULE START' "$work/symbols") modules ($(wc -l < "$work/symbols") lines), and some of the kernel by name and by address"
  else
    failed=1
    echo "FAIL crash $1, symbols: $(head -n 2 <<< "$different" | tr '\n' ' ')"
  fi
}

# Every other kind of output must say what the plain one says, which `check` has left there with its answers.
check_format() { # NAME WHAT FILE...
  if ! ask "$work/commands" "$work/format" "${@:3}"; then
    failed=1
    echo "FAIL crash $1, $2: it ends with an error: $(tail -n 1 "$work/format.all")"
  elif diff "$work/filtered" "$work/format" > "$work/diff"; then
    echo "ok   crash $1, $2: $(wc -l < "$work/format") lines are the same"
  else
    failed=1
    echo "FAIL crash $1, $2: $(grep -c '^[<>]' "$work/diff") lines differ: $(grep -m 2 '^[<>]' "$work/diff" | tr '\n' ' ')"
  fi
}

check_formats() { # NAME
  local dump write=("$smelt" --quiet -f -d 31)
  dump=$("$python" "$here/dump-path.py" "$1")
  "${write[@]}" -E "$dump" "$work/elf"
  check_format "$1" -E "$work/elf"
  "${write[@]}" -F -l "$dump" > "$work/flat"
  check_format "$1" '-F -l' "$work/flat"
  "${write[@]}" -F -E "$dump" > "$work/flat"
  check_format "$1" '-F -E' "$work/flat"
  "${write[@]}" -l --split "$dump" "$work/part1" "$work/part2" "$work/part3"
  check_format "$1" '--split, three parts' "$work/part1" "$work/part2" "$work/part3"
}

# A dump that was cut short and salvaged: the log with --minimal, and log and ps where little is missing.
check_salvaged() { # NAME PERCENT OPTION COMMAND...
  local name=$1 percent=$2 option=$3 dump whole=$work/whole part=$work/part saved=$work/saved
  dump=$("$python" "$here/dump-path.py" "$name") || { failed=1; echo "FAIL crash $name: no such dump"; return; }
  shift 3
  local what="crash $option $name, $percent % of its dump salvaged"
  # One thread: the order of pages, and so what is lost, is the same in each run.
  if ! { "$smelt" -l -d 31 --num-threads 1 -f "$dump" "$whole" &&
    head -c $(($(stat -c %s "$whole") * percent / 100)) "$whole" > "$part" &&
    "$smelt" salvage -f "$part" "$saved"; } > "$work/smelt" 2>&1; then
    failed=1
    echo "FAIL $what: smelt: $(tail -n 2 "$work/smelt" | tr '\n' ' ')"
    return
  fi
  printf '%s\n' "$@" quit > "$work/commands"
  # shellcheck disable=SC2086
  if ! timeout "$time_limit" "$crash" $option -s "$vmlinux" "$saved" -i "$work/commands" < /dev/null > "$work/salvaged" 2>&1; then
    failed=1
    echo "FAIL $what: crash ends with an error: $(tail -n 1 "$work/salvaged")"
    return
  fi
  printf 'log\nquit\n' > "$work/commands"
  timeout "$time_limit" "$crash" --minimal -s "$vmlinux" "$dump" -i "$work/commands" < /dev/null 2> /dev/null | grep '^\[' > "$work/log" || true
  local messages lost
  messages=$(wc -l < "$work/log")
  lost=$(grep -cvFxf "$work/salvaged" "$work/log" || true)
  if [ "$messages" = 0 ] || [ "$lost" != 0 ]; then
    failed=1
    echo "FAIL $what: $lost of $messages messages of the log are not shown"
  elif ! grep -q 'This dumpfile is incomplete' "$work/salvaged"; then
    failed=1
    echo "FAIL $what: crash does not see that it is incomplete"
  elif [ "$#" -gt 1 ] && ! grep -q '\[swapper/0\]' "$work/salvaged"; then
    failed=1
    echo "FAIL $what: ps shows no process"
  else
    echo "ok   $what: $messages messages, $(IFS=,; echo "$*")"
  fi
}

check x86_64-6.1-4level sys log 'kmem -i' mod ps
check_formats x86_64-6.1-4level
check_vtop x86_64-6.1-4level
check_info x86_64-6.1-4level
check_info x86_64-6.1-proc-vmcore
check_symbols x86_64-6.1-4level
check_symbols x86_64-6.1-proc-vmcore
SME_BIT=51 check x86_64-6.1-4level sys log 'kmem -i' mod ps
check_walks x86_64-6.1-4level
check x86_64-6.1-proc-vmcore sys log 'kmem -i' mod ps bt 'bt -a'
check_salvaged x86_64-6.1-4level 60 --minimal log
check_salvaged x86_64-6.1-4level 98 '' log ps
check_salvaged x86_64-6.1-proc-vmcore 60 --minimal log
exit $failed
