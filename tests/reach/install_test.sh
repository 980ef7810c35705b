#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# install_test.sh BUILD: fbx as `cmake --install` puts it finds its shim and breaks a disk with it.
set -euo pipefail
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$1" --prefix "$prefix" > "$prefix/log"
BIN=$1/examples/partition/dynamic "$prefix/bin/fbx" run \
  "$(dirname "$0")/../../examples/partition/partition-test.star" \
  --test disk_failure --inject shim --json "$prefix/results.json"
grep -q '"inventory.write": "shim"' "$prefix/results.json"
