#!/usr/bin/env bash
# Both tiers beside QEMU, by one command: installs the peers from Debian where they are missing, compiles the programs, fetches Debian's,
# runs all in turn and writes docs/performance/peers.json and peers.html. Options go to the comparison: --rounds N, --tables flat,supervisor,real, where what
# is not named stays as it was measured last.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/install-peers.sh
dotnet run -c Release --project bench/Hypervisor.Bench -- peers --json docs/performance/peers.json --html docs/performance/peers.html "$@"
