#!/bin/sh
# Makes or refreshes .venv from the hashed requirements, with Python's own venv and pip alone. Called by make.
set -eu

ready=.venv/.made
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null || [ "$(cat $ready 2>/dev/null)" != "$PWD" ]; then
    for name in ${PYTHON:-} python3.11 python3 python3.14 python3.13 python3.12; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$name
            break
        fi
    done
    if [ -z "${python:-}" ]; then
        echo "make: Python 3.11 or newer is needed: install it, or name it with PYTHON=/path/to/python3" >&2
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "make: $python lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
    echo "Making .venv with $("$python" --version); once, for a minute or less ..." >&2
    "$python" -m venv --clear .venv
else
    echo "Bringing .venv up to date ..." >&2
fi

pip() {
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check "$@"
}
pip --require-hashes --only-binary :all: -r deploy/requirements-build.txt
# dkimpy comes as source only; what builds it is there by now.
pip --require-hashes --only-binary :all: --no-binary dkimpy --no-build-isolation --use-pep517 -r deploy/requirements-dev.txt
pip --no-index --no-deps --no-build-isolation --editable .
printf '%s\n' "$PWD" > $ready
