#!/usr/bin/env bash
# The table of docs/vector.md: every loop of vector.c in plain RV64GC beside itself with the extension, in a container.
# Usage: bench/vector/run.sh [VLEN [ENGINE [TIMES]]]      TIMES makes turns longer, for the translator; needs riscv64-linux-gnu-gcc, and hv built with -c Release
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(mktemp)
trap 'rm -f "$program"' EXIT
riscv64-linux-gnu-gcc -O2 -fno-tree-vectorize -static -march=rv64gc -o "$program" bench/vector/vector.c
dotnet src/Hypervisor.Host/bin/Release/net10.0/hv.dll run --vlen "${1:-128}" --engine "${2:-interpreter}" "$program" "${3:-1}"
