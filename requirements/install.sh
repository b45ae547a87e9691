#!/bin/sh
# install.sh FOLDER [PYTHON]: makes or renews a virtual environment with what the lock of its Python names.
# Supported is every Python that has a lock beside this file.
set -eu
cd "$(dirname "$0")/.."
folder=$1 asked=${2:-}
# An environment keeps its Python; else the one that is active is taken, else the newest.
[ -n "$asked" ] && set -- "$asked" || set -- "$folder/bin/python" python3 python3.13 python3.12 python3.11

for python in "$@"; do
  # Some systems leave ensurepip, which venv needs, to a package of its own.
  version=$("$python" -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
  lock=requirements/$version.lock
  [ -f "$lock" ] && break
done
if [ ! -f "$lock" ]; then
  supported=$(cd requirements && echo *.lock | sed 's/\.lock//g; s/ /, /g')
  echo "error: ${asked:-what is found here} is none of Python $supported with the modules venv and ensurepip;" \
    "name one with: make PYTHON=/path/to/python3.13" >&2
  exit 1
fi

if [ "$("$folder/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" != "$version" ]; then
  [ ! -f "$folder/pyvenv.cfg" ] || clear=--clear
  "$python" -m venv ${clear:-} "$folder"
fi
bin=$(cd "$folder/bin" && pwd)
# uv installs a lock in a fraction of pip's time; pip knows of mirrors that uv does not.
"$bin/python" -m pip install --quiet uv
VIRTUAL_ENV=${bin%/bin} "$bin/uv" pip install --quiet --compile-bytecode --require-hashes -r "$lock" ||
  "$bin/python" -m pip install --quiet --require-hashes -r "$lock"
