#!/bin/sh
# Reads deploy/env.example, writes it with a fresh random value in place of every "change-me". Called by make.
set -eu

while IFS= read -r line; do
    case $line in
    *=change-me) printf '%s=%s\n' "${line%%=*}" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
    esac
done
