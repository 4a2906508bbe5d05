#!/bin/bash
# get-makedumpfile.sh: fetches the newest makedumpfile of Debian sid with the libraries it needs, to run beside the system's. The
# last line on stdout is the path of the program; a second run prints it at once.
#
# apt does the fetching and the checking (Release by the Debian archive keyring, packages by SHA-256), with lists, cache and
# status of its own: no suite is added to the system and nothing is installed. The mirror is the one that the system uses.
# What is there: $SMELT_CACHE/peers/makedumpfile-sid/ (default ~/.cache/smelt) with
#   makedumpfile   a shell script that becomes sid's ld.so with sid's libraries: 0.8 ms more than calling ld.so directly
#   root/          the packages, unpacked
#   codecs/        its libzstd and liblzo2 by themselves, so that others can be measured with the same ones
#   SHA256SUMS     of the packages, from the signed lists
#   features       version, and which of -c, -l, -p, -z this build can do
#
# Needs Debian (amd64) with debian-archive-keyring; no root; about ten seconds and 60 MB.
#   get-makedumpfile.sh [--force]     env: DEBIAN_MIRROR (URI of the archive, instead of the system's)
set -euo pipefail
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

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$' || true)}
[ -n "$mirror" ] || { echo 'no Debian archive in the apt sources; give its URI in DEBIAN_MIRROR' >&2; exit 1; }

# makedumpfile depends on perl for a script that makes VMCOREINFO files. It is not needed: apt is told that it is there.
# pthread_exit loads libgcc_s at the end of its threads, and nothing depends on that.
mkdir -p "$work/none" "$work"/{lists,archives}/partial
printf '%s\n' 'Package: perl' 'Status: install ok installed' 'Version: 99' 'Architecture: amd64' 'Multi-Arch: allowed' \
  'Maintainer: nobody' 'Description: stands for perl' '' > "$work/status"
cat > "$work/sid.sources" << SOURCES
Types: deb
URIs: $mirror
Suites: sid
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
options=(
  -o "Dir::Etc::sourcelist=$work/sid.sources" -o "Dir::Etc::sourceparts=$work/none"
  -o "Dir::Etc::preferences=$work/none/none" -o "Dir::Etc::preferencesparts=$work/none"
  -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::State::extended_states=$work/extended_states"
  -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives" -o APT::Architecture=amd64 -o APT::Architectures::=amd64
  -o APT::Install-Recommends=false -o APT::Update::Post-Invoke-Success::= -o Acquire::Languages=none -o Debug::NoLocking=true
  -o "APT::Sandbox::User=$(id -un)" -o Dpkg::Use-Pty=false
)
apt-get "${options[@]}" -qq update >&2
apt-get "${options[@]}" -qq --yes --download-only install makedumpfile libgcc-s1 >&2

# apt has checked them already; this leaves the sums on record.
for deb in "$work"/archives/*.deb; do
  name=$(dpkg-deb -f "$deb" Package) version=$(dpkg-deb -f "$deb" Version)
  sum=$(apt-cache "${options[@]}" show "$name=$version" | awk '$1 == "SHA256:" { print $2; exit }')
  echo "$sum  $(basename "$deb")"
  dpkg-deb -x "$deb" "$work/root"
done > "$work/SHA256SUMS"
(cd "$work/archives" && sha256sum --quiet -c "$work/SHA256SUMS") >&2

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
  echo "makedumpfile $version (Debian $(dpkg-deb -f "$work"/archives/makedumpfile_*.deb Version))"
  echo "-c zlib: yes, -l lzo: $(linked lzo), -p snappy: $(linked snappy), -z zstd: $(linked zstd)"
} > "$work/features"

rm -rf "$home"
mkdir "$home"
mv "$work"/{root,codecs,makedumpfile,SHA256SUMS,features} "$home/"
cat "$home/features" >&2
echo "$program"
