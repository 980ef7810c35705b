#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# shim_exports_test.sh LIBRARY MAP: the library exports the symbols of the table and nothing else,
# and asks of libc nothing but __errno_location.
set -eu
want=$(sed 's/.*global://; s/local:.*//' "$2" | tr ';' '\n' | tr -d ' ' | grep . | sort)
have=$(nm -D --defined-only "$1" | awk '{print $3}' | sort)
needs=$(nm -D --undefined-only "$1" | awk '{print $2}')
[ "$want" = "$have" ] || { echo "exports differ from shim/entries.h"; exit 1; }
[ "$needs" = "__errno_location" ] || { echo "needs: $needs"; exit 1; }
