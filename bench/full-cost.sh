#!/usr/bin/env bash
# Boots Debian's kernel to power-off in bare, assisted and full and prints what each mode counted: the figures of
# docs/full-virtualization.md. Usage: bench/full-cost.sh [bare|assisted|full …]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
declare -A file
while IFS='=' read -r name path; do file[$name]=$path; done < <(bash "$here/tests/RealGuests/prepare.sh")
dotnet build -c Release --nologo -v q "$here/src/Hypervisor.Host" >/dev/null
for mode in "${@:-bare assisted full}"; do
  for each in $mode; do
    { sleep 8; echo exit; } | "$here/src/Hypervisor.Host/bin/Release/net10.0/hv" run --mode "$each" --kernel "${file[kernel]}" \
      --firmware "${file[firmware]}" --initrd "${file[initramfs]}" --append console=ttyS0 --stats 2>&1 >/dev/null
    echo
  done
done
