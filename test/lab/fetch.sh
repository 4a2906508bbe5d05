#!/bin/bash
# fetch.sh SUITE DIRECTORY [--alone] PACKAGE...: fetches packages of a Debian suite with all they depend on (--alone: without),
# and unpacks them into DIRECTORY, to run beside the system's. Nothing is installed. DIRECTORY/.packages names them with their versions.
#
# apt does the fetching and the checking (Release by the Debian archive keyring, packages by SHA-256), with lists, cache and
# status of its own. The mirror is the one that the system uses.
#   env: DEBIAN_MIRROR (URI of the archive, instead of the system's), WITHOUT (packages that are taken for installed)
set -euo pipefail
suite=$1 directory=$2
shift 2
alone=
[ "$1" != --alone ] || { alone=1; shift; }

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$' || true)}
[ -n "$mirror" ] || { echo 'no Debian archive in the apt sources; give its URI in DEBIAN_MIRROR' >&2; exit 1; }

mkdir -p "$directory"
work=$(mktemp -d "$directory.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/none" "$work"/{lists,archives}/partial
for package in ${WITHOUT:-}; do
  printf '%s\n' "Package: $package" 'Status: install ok installed' 'Version: 99' 'Architecture: amd64' 'Multi-Arch: allowed' \
    'Maintainer: nobody' 'Description: is not needed' ''
done > "$work/status"
cat > "$work/suite.sources" << SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
options=(
  -o "Dir::Etc::sourcelist=$work/suite.sources" -o "Dir::Etc::sourceparts=$work/none"
  -o "Dir::Etc::preferences=$work/none/none" -o "Dir::Etc::preferencesparts=$work/none"
  -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::State::extended_states=$work/extended_states"
  -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives" -o APT::Architecture=amd64 -o APT::Architectures::=amd64
  -o APT::Install-Recommends=false -o APT::Update::Post-Invoke-Success::= -o Acquire::Languages=none -o Debug::NoLocking=true
  -o "APT::Sandbox::User=$(id -un)" -o Dpkg::Use-Pty=false
)
apt-get "${options[@]}" -qq update >&2
if [ -n "$alone" ]; then
  # A package that only names the newest one by depending on it stands for that.
  for package; do
    newest=$(apt-cache "${options[@]}" depends "$package" | sed -n "s/^ *Depends: \(${package}-[0-9.]*\)$/\1/p")
    (cd "$work/archives" && apt-get "${options[@]}" -qq download "${newest:-$package}") >&2
  done
else
  apt-get "${options[@]}" -qq --yes --download-only install "$@" >&2
fi
for deb in "$work"/archives/*.deb; do
  dpkg-deb -x "$deb" "$directory"
  dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb"
done > "$directory/.packages"
