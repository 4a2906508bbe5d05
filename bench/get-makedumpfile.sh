#!/bin/bash
# get-makedumpfile.sh: fetches the newest makedumpfile of Debian sid with the libraries it needs, to run beside the system's. The
# last line on stdout is the path of the program; a second run prints it at once.
#
# What is there: $SMELT_CACHE/peers/makedumpfile-sid/ (default ~/.cache/smelt) with
#   makedumpfile   a shell script that becomes sid's ld.so with sid's libraries: 0.8 ms more than calling ld.so directly
#   root/          the packages, unpacked
#   codecs/        its libzstd and liblzo2 by themselves, so that others can be measured with the same ones
#   features       version, and which of -c, -l, -p, -z this build can do
#
# Needs Debian (amd64) with debian-archive-keyring; no root; about ten seconds and 60 MB.
#   get-makedumpfile.sh [--force]     env: DEBIAN_MIRROR (URI of the archive, instead of the system's)
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cache=${SMELT_CACHE:-$HOME/.cache/smelt}
home=$cache/peers/makedumpfile-sid
program=$home/makedumpfile
if [ -x "$program" ] && [ "${1:-}" != --force ]; then
  cat "$home/features" >&2
  echo "$program"
  exit
fi

mkdir -p "$cache/peers"
home=$(realpath -m "$home")
program=$home/makedumpfile
work=$(mktemp -d "$cache/peers/makedumpfile.XXXXXX")
trap 'rm -rf "$work"' EXIT
work=$(realpath "$work")

# makedumpfile depends on perl for a script that makes VMCOREINFO files, which nobody needs here. pthread_exit loads libgcc_s at the
# end of its threads, and nothing depends on that.
WITHOUT=perl "$here/../test/lab/fetch.sh" sid "$work/root" makedumpfile libgcc-s1

binary=$(find "$work/root" -path '*bin/makedumpfile' -type f)
loader=$(find "$work/root" -name ld-linux-x86-64.so.2 | head -n 1)
libraries=$(find "$work/root" -name 'lib*.so.*' -printf '%h\n' | grep -v -e gconv -e hwcaps | sort -u | paste -sd :)
{
  echo '#!/bin/sh'
  echo "exec '$loader' --argv0 makedumpfile --library-path '$libraries' '$binary' \"\$@\""
} | sed "s|$work|$home|g" > "$work/makedumpfile"
chmod 755 "$work/makedumpfile"

mkdir "$work/codecs"
find "$work/root" -name 'libzstd.so.*' -exec cp -P {} "$work/codecs/" ';'
find "$work/root" -name 'liblzo2.so.*' -exec cp -P {} "$work/codecs/" ';'

about=$("$loader" --library-path "$libraries" "$binary" -v 2>&1)
version=$(grep -m 1 -oE '[0-9]+(\.[0-9]+)+' <<< "$about" || true)
[ "$(printf '%s\n' 1.7.8 "$version" | sort -V | head -n 1)" = 1.7.8 ] || { echo "makedumpfile is of version '$version': too old" >&2; exit 1; }
linked() { grep -qP "^$1\s+enabled" <<< "$about" && echo yes || echo no; }
{
  echo "makedumpfile $version (Debian $(sed -n 's/^makedumpfile //p' "$work/root/.packages"))"
  echo "-c zlib: yes, -l lzo: $(linked lzo), -p snappy: $(linked snappy), -z zstd: $(linked zstd)"
} > "$work/features"

rm -rf "$home"
mkdir "$home"
mv "$work"/{root,codecs,makedumpfile,features} "$home/"
cat "$home/features" >&2
echo "$program"
