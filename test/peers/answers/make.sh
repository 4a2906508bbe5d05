#!/bin/bash
# make.sh [NAME...]: makes the stored answers of crash and drgn again, NAME.crash.txt and NAME.drgn.jsonl beside this file, of each dump or of these.
#
# Fetched for it, once: Debian sid's crash and drgn with all they need ($SMELT_CACHE/peers/see-sid, 400 MB, run by their own ld.so), and of each
# dump's kernel the package with its debug information, of which vmlinux stays ($SMELT_CACHE/dbg/RELEASE, 340 to 640 MB each). What the fixtures
# have from crash (NAME.crash.txt) is not asked again. Each file says in its first line who said it.
# Env: SMELT_CACHE, SMELT_FIXTURES, DEBIAN_MIRROR (test/lab/fetch.sh).
set -euo pipefail
here=$(dirname "$(realpath "$0")")
fetch=$here/../../lab/fetch.sh
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
fixtures=${SMELT_FIXTURES:-$(realpath -m "$here/../../../../shared/fixtures")}
export PYTHONDONTWRITEBYTECODE=1 SMELT_FIXTURES=$fixtures
home=$cache/peers/see-sid
libraries=$home/usr/lib/x86_64-linux-gnu
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

run_sid() { # PROGRAM ARGUMENT...
  "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$home/usr/bin/$1" "${@:2}"
}

if [ ! -x "$home/usr/bin/crash" ]; then
  WITHOUT=perl "$fetch" sid "$work/sid" python3-drgn crash libgcc-s1
  mkdir -p "$cache/peers"
  rm -rf "$home"
  mv "$work/sid" "$home"
fi
python=$(basename "$(find "$home/usr/bin" -name 'python3.*' -type f | grep -v config | head -n 1)")

# The suite that has the kernel of a release; empty: one of the system's own.
suite_of() {
  case $1 in
    5.10.*) echo bullseye ;;
    *+deb13-*) echo trixie-backports ;;
  esac
}

# Unpacks the debug information of a release into $work/RELEASE, and leaves vmlinux where the other checks look for it.
debug_of() { # RELEASE
  local release=$1 package=linux-image-$1-dbg suite tree=$work/$1 vmlinux=$cache/dbg/$1/vmlinux-$1
  [ ! -d "$tree" ] || return 0
  suite=$(suite_of "$release")
  if [ -n "$suite" ]; then
    "$fetch" "$suite" "$tree" --alone "$package"
  else
    mkdir -p "$tree/deb"
    cp -s "$cache/debs/$package"_*.deb "$tree/deb/" 2> /dev/null || (cd "$tree/deb" && apt-get -qq -o APT::Sandbox::User=root download "$package") >&2
    dpkg-deb -x "$tree/deb/$package"_*.deb "$tree"
    rm -r "$tree/deb"
  fi
  mkdir -p "${vmlinux%/*}"
  [ -e "$vmlinux" ] || cp -L "$tree/usr/lib/debug/boot/vmlinux-$release" "$vmlinux"
}

ask_crash() { # DUMP VMLINUX OUT
  local options=()
  # crash 9.0.2 does not know how 7.3 keeps modules and slabs.
  case $2 in */vmlinux-7.*) options=(--no_modules --no_kmem_cache) ;; esac
  printf '%s\n' sys 'kmem -i' ps mod 'bt -a' quit > "$work/commands"
  {
    echo "# crash $(run_sid crash --version | sed -n 's/^crash //p')${options:+ ${options[*]}}: sys, kmem -i, ps, mod, bt -a"
    run_sid crash "${options[@]}" -s "$2" "$1" -i "$work/commands" < /dev/null 2>&1 |
      sed -E -e 's|^( *(KERNEL\|DUMPFILE): ).*/|\1|' -e 's/ +$//' -e '/^WARNING|^$/d'
  } > "$3.partial"
  mv "$3.partial" "$3"
}

"${PYTHON:-/usr/bin/python3}" -c '
import sys
sys.path.insert(0, sys.argv[1])
from checks import dumps
for dump in dumps(sys.argv[2:]):
    print(dump.name, dump.path, dump.truth["vmcoreinfo"]["OSRELEASE"])' "$here/.." "$@" > "$work/dumps"
while read -r name dump release; do
  # The twin of another has its memory, and drgn cannot walk page tables that have an encryption bit: answers.py asks for those of the other.
  case $name in *-sme) continue ;; esac
  echo "$name" >&2
  debug_of "$release"
  vmlinux=$cache/dbg/$release/vmlinux-$release
  [ -e "$fixtures/$name.crash.txt" ] || ask_crash "$dump" "$vmlinux" "$here/$name.crash.txt"
  # drgn takes the modules' files for what is loaded of them.
  find "$work/$release/usr/lib/debug" -name '*.ko' -o -name '*.ko.debug' > "$work/modules"
  PYTHONHOME=$home/usr PYTHONPATH=$home/usr/lib/python3/dist-packages run_sid "$python" "$here/ask.py" "$dump" "$vmlinux" "$work/modules" \
    > "$work/said"
  mv "$work/said" "$here/$name.drgn.jsonl"
done < "$work/dumps"
