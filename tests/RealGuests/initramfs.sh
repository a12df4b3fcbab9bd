#!/usr/bin/env bash
# Builds a small initial RAM disk from Debian's busybox and prints its path: it loads the drivers that Debian's kernel has as
# modules, mounts what a shell wants and gives a shell on the console; leaving the shell powers the machine off.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
root=$(bash "$here/fetch.sh" busybox-static linux-image-riscv64)
modules=$( (ls -d "$root"/usr/lib/modules/* "$root"/lib/modules/* 2>/dev/null || true) | sort -V | tail -n 1)
[ -n "$modules" ] || { echo "Debian's kernel package brought no modules" >&2; exit 1; }
key=$( (cat "$0"; basename "$modules") | sha256sum | cut -c1-16)
disk="$cache/initramfs-$key.cpio"
exec 9>"$cache/initramfs.lock"
flock 9
if [ ! -s "$disk" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{bin,dev,proc,sys,tmp,etc/udhcpc,mnt}
  cp "$root/usr/bin/busybox" "$work/bin/"
  ln -s busybox "$work/bin/sh"
  target="$work/lib/modules/$(basename "$modules")"
  mkdir -p "$target"
  # Modules in the order of their needs, for the virtio device of a number; 0 for all machines.
  add() {
    local device=$1 module file
    shift
    for module in "$@"; do
      file=$(find "$modules/kernel" -name "$module.ko.xz")
      [ -n "$file" ] || continue
      xz -dc "$file" > "$target/$module.ko"
      echo "$device $module.ko" >> "$target/order"
    done
  }
  add 0 virtio_mmio
  add 2 virtio_blk
  add 1 failover net_failover virtio_net
  add 9 netfs 9pnet 9p 9pnet_virtio
  add 19 vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport
  cat > "$work/etc/udhcpc/default.script" <<'DHCP'
#!/bin/sh
case "$1" in
  deconfig) ifconfig "$interface" up ;;
  bound|renew)
    ifconfig "$interface" "$ip" netmask "$subnet"
    for gateway in $router; do route add default gw "$gateway" dev "$interface"; done
    for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf ;;
esac
DHCP
  chmod +x "$work/etc/udhcpc/default.script"
  echo 'root::0:0:root:/:/bin/sh' > "$work/etc/passwd"
  cat > "$work/init" <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=vt100 PS1='guest# '
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
modules=/lib/modules/$(uname -r)
if [ -f "$modules/order" ]; then
  while read -r device module; do
    [ "$device" = 0 ] || grep -qi "^0x0*$(printf %x "$device")\$" /sys/bus/virtio/devices/*/device 2>/dev/null || continue
    insmod "$modules/$module" 2>/dev/null
  done < "$modules/order"
fi
ifconfig lo up 2>/dev/null
console=$(cat /sys/class/tty/console/active 2>/dev/null)
console=${console##* }
stty -F "/dev/${console:-console}" -onlcr 2>/dev/null
echo "up with $(nproc) harts after $(cut -d' ' -f1 /proc/uptime) s on ${console:-console}" > "/dev/${console:-console}"
# A command line with hv.run="…" has that done in place of a shell.
script=$(sed -n 's/.*hv\.run="\([^"]*\)".*/\1/p' /proc/cmdline)
if [ -n "$script" ]; then
  sh -c "$script" > "/dev/${console:-console}" 2>&1
  poweroff -f
fi
setsid sh -c "exec sh -i </dev/${console:-console} >/dev/${console:-console} 2>&1"
poweroff -f
INIT
  chmod +x "$work/init"
  (cd "$work" && find . -print0 | LC_ALL=C sort -z | cpio --null -o --quiet -H newc --owner 0:0 --reproducible) > "$disk.new"
  mv "$disk.new" "$disk"
fi
echo "$disk"
