#!/usr/bin/env bash
# Fetches real riscv64 packages from Debian and prints the folder they are unpacked in. Usage: fetch.sh [PACKAGE…]
# Uses a private apt state, this machine's own mirror, and a cache outside the tree (HV_GUEST_CACHE, or ~/.cache/hv-guests).
# A package that only stands for another (linux-image-riscv64) brings the one it stands for.
set -euo pipefail
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
suite=trixie
packages=("${@:-busybox-static}")
root="$cache/root"
mkdir -p "$cache"/{lists/partial,archives/partial,done} "$root"
exec 9>"$cache/lock"
flock 9 # several tests may ask at once
missing=()
for package in "${packages[@]}"; do [ -e "$cache/done/$package" ] || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  [ -z "${HV_GUEST_OFFLINE:-}" ] || exit 3 # asked only for what is there already
  command -v apt-get >/dev/null || { echo "apt-get is not here: put riscv64 programs under $root by hand" >&2; exit 1; }
  mirror=$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true) |
    awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/ && $i !~ /security/) { print $i; exit } }
         $1 == "URIs:" && $2 !~ /security/ { print $2; exit }' | head -n 1)
  [ -n "$mirror" ] || { echo "no Debian mirror in this machine's apt sources" >&2; exit 1; }
  echo "deb [arch=riscv64 trusted=yes] $mirror $suite main" > "$cache/sources.list"
  : > "$cache/status"
  options=(-qq -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 -oDir::State::Lists="$cache/lists"
    -oDir::Etc::sourcelist="$cache/sources.list" -oDir::Etc::sourceparts=/nonexistent -oDir::Cache="$cache"
    -oDir::State::status="$cache/status" -oAPT::Sandbox::User=root)
  apt-get "${options[@]}" update >&2
  for package in "${missing[@]}"; do
    names=("$package")
    [ "$package" != linux-image-riscv64 ] ||
      names=($(apt-cache "${options[@]}" depends --important "$package" | awk '$1 == "Depends:" { print $2; exit }'))
    for name in "${names[@]}"; do
      (cd "$cache/archives" && rm -f "$name"_*.deb && apt-get "${options[@]}" download "$name" >&2 && dpkg-deb -x "$name"_*.deb "$root")
    done
    touch "$cache/done/$package"
  done
fi
echo "$root"
