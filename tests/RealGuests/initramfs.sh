#!/usr/bin/env bash
# Builds a small initial RAM disk from Debian's busybox and prints its path: it mounts what a shell wants and gives a shell on
# the console; leaving the shell powers the machine off.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
root=$(bash "$here/fetch.sh" busybox-static)
key=$(sha256sum "$0" | cut -c1-16)
disk="$cache/initramfs-$key.cpio"
exec 9>"$cache/initramfs.lock"
flock 9
if [ ! -s "$disk" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{bin,dev,proc,sys,tmp,etc}
  cp "$root/usr/bin/busybox" "$work/bin/"
  ln -s busybox "$work/bin/sh"
  echo 'root::0:0:root:/:/bin/sh' > "$work/etc/passwd"
  cat > "$work/init" <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=vt100 PS1='guest# '
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
console=$(cat /sys/class/tty/console/active 2>/dev/null)
console=${console##* }
stty -F "/dev/${console:-console}" -onlcr 2>/dev/null
echo "up with $(nproc) harts after $(cut -d' ' -f1 /proc/uptime) s on ${console:-console}"
setsid sh -c "exec sh -i </dev/${console:-console} >/dev/${console:-console} 2>&1"
poweroff -f
INIT
  chmod +x "$work/init"
  (cd "$work" && find . -print0 | LC_ALL=C sort -z | cpio --null -o --quiet -H newc --owner 0:0 --reproducible) > "$disk.new"
  mv "$disk.new" "$disk"
fi
echo "$disk"
