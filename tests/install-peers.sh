#!/usr/bin/env bash
# Installs what the tests compare against and build guests with: QEMU (user and system), the RISC-V cross compiler and what a
# kernel's build needs, from Debian's packages.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need qemu-riscv64-static qemu-user-static
need qemu-system-riscv64 qemu-system-misc
need riscv64-linux-gnu-gcc gcc-riscv64-linux-gnu
need gcc gcc
need objdump binutils
need qemu-img qemu-utils
need gdb-multiarch gdb-multiarch
need tshark tshark
need dtc device-tree-compiler
need cpio cpio
need flex flex
need mke2fs e2fsprogs
need zstd zstd
need bison bison
need bc bc
need make make
need xz xz-utils
need podman podman
need conmon conmon
need containerd containerd
need script bsdutils
[ -d /usr/lib/riscv64-linux-gnu/opensbi ] || missing+=(opensbi)
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
[ -e /usr/riscv64-linux-gnu/lib/libc.a ] || missing+=(libc6-dev-riscv64-cross)
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null 2>&1 || { echo "install these by hand: ${missing[*]}" >&2; exit 1; }
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
