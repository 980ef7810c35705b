#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The victim as a shell pipeline: what is written, is written by programs that the shell executes.
# $1: the server that asks by fifos.
dir=$(mktemp -d /dev/shm/reach.XXXXXX)
mkfifo "$dir/req" "$dir/rep"
"$1" --pipe "$dir/req" "$dir/rep" &
while :; do
  read -r what < "$dir/req"
  marks=
  case $what in
    W) for i in 1 2 3 4 5 6 7 8 9; do
         if printf x | tee -a /tmp/out > /dev/null 2>&1; then marks="$marks."; else marks="${marks}E"; fi
       done ;;
    S) for i in 1 2 3; do
         touch /tmp/out
         if sync /tmp/out 2> /dev/null; then marks="$marks."; else marks="${marks}E"; fi
       done ;;
    O) for i in 1 2 3; do
         if touch /tmp/new 2> /dev/null; then marks="$marks."; rm -f /tmp/new; else marks="${marks}E"; fi
       done ;;
    C) marks=$("$1" --once C) ;;
  esac
  printf '%s\n' "$marks" > "$dir/rep"
done
