#!/bin/bash
# Build and run the tests of the C++ kernels with nothing but a compiler.
#   csrc/run_tests.sh [FLAGS...]      e.g. -fsanitize=address,undefined
# BUILD names the folder for the programs; CXX the compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ -n ${BUILD:-} ]]; then
  build=$BUILD
  mkdir -p "$build"
else
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
fi
compile() {
  "${CXX:-g++}" -std=c++17 -O2 -g -UNDEBUG -Wall -Wextra -Wno-psabi -ffp-contract=fast \
    -fno-math-errno -fno-trapping-math -I"$here/include" "$@"
}
objects=()
for source in "$here"/src/*.cpp; do
  object=$build/$(basename "$source" .cpp).o
  compile "$@" -c "$source" -o "$object"
  objects+=("$object")
done
for source in "$here"/tests/test_*.cpp; do
  program=$build/$(basename "$source" .cpp)
  compile "$@" "$source" "${objects[@]}" -pthread -o "$program"
  "$program"
  echo "$(basename "$program"): all hold"
done
