#!/bin/sh
# The image's service, or another word of `afterhello` given in its place. `exec`: signals must reach Python.
set -eu
if [ $# -eq 0 ]; then
    set -- "$SERVICE"
fi
exec afterhello "$@"
