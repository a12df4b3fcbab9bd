#!/usr/bin/env bash
# Unpacks Debian's riscv64 programs that containers are tested with into a root directory, and prints its path: shells and
# tools, Python, Perl, SQLite, compressors, with the libraries they need. Neither mounts nor chroots.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
bash "$here/fetch.sh" busybox-static >/dev/null
packages=(bash dash coreutils base-files base-passwd libc-bin mawk grep sed findutils diffutils tar gzip bzip2 xz-utils zstd
  hostname procps util-linux python3-minimal python3 perl sqlite3 bc less file jq redis-server redis-tools lighttpd curl openssl nginx
  gcc libc6-dev make dpkg apt musl musl-tools bsdutils mount ncurses-base libpython3.13-testsuite strace gawk)
key=$( (cat "$0"; echo "${packages[@]}") | sha256sum | cut -c1-16)
tree="$cache/programs-$key"
exec 9>"$cache/programs.lock"
flock 9
if [ ! -e "$tree/.complete" ]; then
  [ -z "${HV_GUEST_OFFLINE:-}" ] || exit 3
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  options=(-qq -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 -oDir::State::Lists="$cache/lists"
    -oDir::Etc::sourcelist="$cache/sources.list" -oDir::Etc::sourceparts=/nonexistent -oDir::Cache="$work/cache"
    -oDir::State::status="$cache/status" -oAPT::Sandbox::User=root)
  mkdir -p "$work/cache/archives/partial"
  apt-get "${options[@]}" -y --no-install-recommends --download-only install "${packages[@]}" >&2
  rm -rf "$tree"
  mkdir -p "$tree"/usr/{bin,sbin,lib} "$tree"/{root,run,proc,sys,dev,tmp}
  for folder in bin sbin lib; do ln -s usr/$folder "$tree/$folder"; done
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$tree" --keep-directory-symlink --no-same-owner -xf -
  done
  # What maintainer scripts would have done.
  ln -sf bash "$tree/usr/bin/sh"
  [ -e "$tree/usr/bin/awk" ] || ln -s mawk "$tree/usr/bin/awk"
  cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
  cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
  printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' > "$tree/etc/hosts"
  mkdir -p "$tree"/var/lib/dpkg/{info,updates,triggers} "$tree"/var/{log,cache/apt/archives/partial,lib/apt/lists/partial} "$tree/var/lib/nginx" "$tree/var/log/nginx"
  touch "$tree/var/lib/dpkg/status" "$tree/var/lib/dpkg/available"
  touch "$tree/.complete"
fi
echo "$tree"
