#!/usr/bin/env bash
# Brings every real guest that the tests and benches boot into the cache and prints where each is, as NAME=PATH.
# The first time it downloads some 300 MB and builds a kernel for some minutes; afterwards it is done at once.
# With HV_GUEST_OFFLINE=1 it only prints what is there already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
say() { [ -z "$2" ] || echo "$1=$2"; }
part() { if [ -n "${HV_GUEST_OFFLINE:-}" ]; then bash "$@" 2>/dev/null || true; else bash "$@"; fi; }
root=$(part "$here/fetch.sh" busybox-static linux-image-riscv64 opensbi)
if [ -n "$root" ]; then
  say busybox "$root/usr/bin/busybox"
  say kernel "$(ls "$root"/boot/vmlinux-* | sort -V | tail -n 1)"
  say modules "$(ls -d "$root"/usr/lib/modules/* "$root"/lib/modules/* 2>/dev/null | sort -V | tail -n 1)"
  say firmware "$root/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"
  say initramfs "$(part "$here/initramfs.sh")"
fi
read -r disk initrd <<< "$(part "$here/debian-disk.sh")" || true
say debian-disk "${disk:-}"
say debian-initrd "${initrd:-}"
say programs "$(part "$here/program-root.sh")"
say small-kernel "$(part "$here/small-kernel.sh")"
