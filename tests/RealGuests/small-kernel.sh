#!/usr/bin/env bash
# Builds the small Linux kernel from Debian's linux-source package with small-linux.config, and prints the Image's path.
# Some five minutes on one core the first time; afterwards it comes from the cache. Built anew where the configuration changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=6.12
cache=${HV_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hv-guests}
root=$(bash "$here/fetch.sh" "linux-source-$version")
key=$(cat "$here/small-linux.config" "$cache/done/linux-source-$version" | sha256sum | cut -c1-16)
image="$cache/small-kernel-$key/Image"
exec 9>"$cache/small-kernel.lock"
flock 9
if [ ! -s "$image" ]; then
  [ -z "${HV_GUEST_OFFLINE:-}" ] || exit 3
  for tool in riscv64-linux-gnu-gcc flex bison bc make xz; do
    command -v $tool >/dev/null || { echo "$tool is needed to build a kernel: run tests/install-peers.sh" >&2; exit 1; }
  done
  build="$cache/small-kernel-build"
  rm -rf "$build" && mkdir -p "$build" "$(dirname "$image")"
  # Other architectures and manuals are most of the archive and none of the build.
  tar -C "$build" --strip-components=1 --wildcards-match-slash --exclude="linux-source-$version/arch/[!rK]*.[cSh]" --exclude="linux-source-$version/arch/[!rK]*.dts*" --exclude="linux-source-$version/Documentation/*/*" \
    -xf "$root/usr/src/linux-source-$version.tar.xz"
  make=(make -C "$build" -s ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=hv KBUILD_BUILD_HOST=hv)
  if ! { "${make[@]}" tinyconfig &&
    (cd "$build" && ARCH=riscv scripts/kconfig/merge_config.sh -m .config "$here/small-linux.config") &&
    "${make[@]}" olddefconfig &&
    "${make[@]}" -j"$(nproc)" Image
  } > "$cache/small-kernel.log" 2>&1; then
    tail -n 30 "$cache/small-kernel.log" >&2
    exit 1
  fi
  cp "$build/arch/riscv/boot/Image" "$image.new" && cp "$build/System.map" "$(dirname "$image")/" && mv "$image.new" "$image"
  rm -rf "$build"
fi
echo "$image"
