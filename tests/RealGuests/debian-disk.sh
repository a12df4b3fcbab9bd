#!/usr/bin/env bash
# Makes a disk with a small Debian system under systemd from Debian's riscv64 packages, and prints its path and that of the
# RAM disk that finds it: DISK INITRD. Neither mounts nor chroots: packages are unpacked, what their scripts would set up is
# written here, and mke2fs makes the file system. Root logs in on the serial line without a password.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
root=$(bash "$here/fetch.sh" busybox-static linux-image-riscv64)
key=$(cat "$0" "$cache/done/linux-image-riscv64" | sha256sum | cut -c1-16)
disk="$cache/debian-$key.ext4"
initrd="$cache/debian-$key.cpio"
packages=(systemd systemd-sysv udev login util-linux bash coreutils passwd base-files base-passwd libc-bin dash mawk grep sed findutils
  hostname e2fsprogs procps kmod)
exec 9>"$cache/debian.lock"
flock 9
if [ ! -s "$disk" ] || [ ! -s "$initrd" ]; then
  [ -z "${HV_GUEST_OFFLINE:-}" ] || exit 3
  for tool in mke2fs cpio xz zstd; do command -v $tool >/dev/null || { echo "$tool is needed: run tests/install-peers.sh" >&2; exit 1; }; done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  options=(-qq -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 -oDir::State::Lists="$cache/lists"
    -oDir::Etc::sourcelist="$cache/sources.list" -oDir::Etc::sourceparts=/nonexistent -oDir::Cache="$work/cache"
    -oDir::State::status="$cache/status" -oAPT::Sandbox::User=root)
  mkdir -p "$work/cache/archives/partial" "$work/root"
  apt-get "${options[@]}" -y --no-install-recommends --download-only install "${packages[@]}" >&2
  tree="$work/root"
  # base-files first: it makes the merged /usr that others unpack into.
  mkdir -p "$tree"/usr/{bin,sbin,lib}
  for folder in bin sbin lib; do ln -s usr/$folder "$tree/$folder"; done
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$tree" --keep-directory-symlink -xf -
  done
  # What maintainer scripts would have done.
  ln -sf bash "$tree/usr/bin/sh"
  [ -e "$tree/usr/bin/awk" ] || ln -s mawk "$tree/usr/bin/awk"
  cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
  cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
  sed -i 's/^root:[^:]*:/root::/' "$tree/etc/passwd"
  printf 'messagebus:x:990:\nsystemd-journal:x:991:\nsystemd-network:x:992:\nsystemd-timesync:x:993:\n' >> "$tree/etc/group"
  printf 'messagebus:x:990:990::/nonexistent:/usr/sbin/nologin\nsystemd-network:x:992:992::/:/usr/sbin/nologin\nsystemd-timesync:x:993:993::/:/usr/sbin/nologin\n' >> "$tree/etc/passwd"
  echo guest > "$tree/etc/hostname"
  echo '/dev/vda / ext4 defaults 0 1' > "$tree/etc/fstab"
  : > "$tree/etc/machine-id"
  for name in login passwd common-auth common-account common-session common-password other; do
    [ -e "$tree/etc/pam.d/$name" ] || case $name in
      common-auth) echo 'auth sufficient pam_unix.so nullok' ;;
      common-account) echo 'account sufficient pam_unix.so' ;;
      common-session) echo 'session required pam_unix.so' ;;
      common-password) echo 'password sufficient pam_unix.so nullok' ;;
      *) printf '@include common-auth\n@include common-account\n@include common-session\n' ;;
    esac > "$tree/etc/pam.d/$name"
  done
  mkdir -p "$tree/etc/systemd/system/getty.target.wants" "$tree/etc/systemd/system/multi-user.target.wants" "$tree/root" "$tree/run" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/tmp"
  ln -sf /usr/lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
  ln -sf '/usr/lib/systemd/system/serial-getty@.service' "$tree/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
  # Work of a first boot on real hardware.
  for unit in systemd-firstboot.service systemd-hwdb-update.service ldconfig.service getty@tty1.service e2scrub_reap.service; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
  done
  echo 'PS1="debian# "' > "$tree/root/.bashrc"
  cp "$tree/root/.bashrc" "$tree/root/.bash_profile"
  rm -rf "$tree"/usr/share/{doc,man,locale,i18n} "$tree"/boot
  mke2fs -q -t ext4 -L debian -d "$tree" "$disk.new" 512M
  # The RAM disk: the modules between the kernel and the file system, and busybox to change over.
  ram="$work/ram"
  mkdir -p "$ram"/{bin,dev,proc,sys,mnt,modules}
  cp "$root/usr/bin/busybox" "$ram/bin/"
  ln -s busybox "$ram/bin/sh"
  modules=$(ls -d "$root"/usr/lib/modules/* | sort -V | tail -n 1)
  : > "$ram/modules/order"
  add() { # a module and, before it, what it needs
    local name=$1 file needs
    grep -qx "$name.ko" "$ram/modules/order" && return
    file=$(find "$modules" -name "$name.ko*" | head -n 1)
    [ -n "$file" ] || return 0 # built in
    case $file in
      *.xz) xz -dc "$file" > "$ram/modules/$name.ko" ;;
      *.zst) zstd -qdc "$file" > "$ram/modules/$name.ko" ;;
      *) cp "$file" "$ram/modules/$name.ko" ;;
    esac
    needs=$(tr '\0' '\n' < "$ram/modules/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' ')
    for each in $needs; do add "$each"; done
    echo "$name.ko" >> "$ram/modules/order"
  }
  for module in virtio_mmio virtio_blk crc16 crc32c_generic mbcache jbd2 ext4; do add $module; done
  cat > "$ram/init" <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" || echo "cannot load $module"; done < /modules/order
mount -t ext4 /dev/vda /mnt || { echo "no root file system"; exec sh; }
mount --move /dev /mnt/dev
umount /sys /proc
exec switch_root /mnt /sbin/init
INIT
  chmod +x "$ram/init"
  (cd "$ram" && find . -print0 | LC_ALL=C sort -z | cpio --null -o --quiet -H newc --owner 0:0 --reproducible) > "$initrd"
  mv "$disk.new" "$disk"
fi
echo "$disk $initrd"
