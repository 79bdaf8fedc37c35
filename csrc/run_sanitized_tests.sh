#!/bin/bash
# Run the C++ tests under the address, undefined-behaviour and thread sanitizers, and once with
# plain loops in place of vector types (what a compiler without them builds).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for flags in "-fsanitize=address,undefined -fno-sanitize-recover=all" "-fsanitize=thread" \
  "-DTWINSDK_PLAIN_LANES"; do
  echo "== $flags"
  # shellcheck disable=SC2086  # the flags are words
  BUILD="" "$here/run_tests.sh" $flags
done
