#!/bin/sh
# Prints the path of a Python interpreter for one of this project's environments:
#
#     scripts/find_python.sh tf1     Python 3.7
#     scripts/find_python.sh tf2     the newest of Python 3.10 to 3.13
#     scripts/find_python.sh lint    the newest of Python 3.7 to 3.14
#
# It looks on PATH, then among pyenv's and conda's Pythons; of equal versions the
# first found is taken. PYTHON_TF1=PATH or PYTHON_TF2=PATH names one instead.
# Status 1 and no output: there is none. Status 2: wrong use.

unset PYTHONHOME PYTHONPATH

# Prints "VERSION PATH" if $1 is a CPython that can make virtual environments.
# It must be run to know: a pyenv shim exists for versions that it refuses to start.
# The path is the base interpreter's, so that it outlives an active environment.
probe() {
    [ -x "$1" ] && [ ! -d "$1" ] && "$1" -c '
import os, sys, ensurepip, venv
assert sys.implementation.name == "cpython" and "t" not in sys.abiflags
version = "%d.%d" % sys.version_info[:2]
base = os.path.join(sys.base_prefix, "bin", "python" + version)
print(version, base if os.access(base, os.X_OK) else sys.executable)
' </dev/null 2>/dev/null
}

on_path() {
    saved_ifs=$IFS
    IFS=:
    # shellcheck disable=SC2086 # The colons are to split it.
    set -- $PATH
    IFS=$saved_ifs
    for folder; do
        for version in $wanted 3 ""; do
            printf '%s\n' "${folder:-.}/python$version"
        done
    done
}

under_pyenv() {
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python
}

under_conda() {
    base=$(conda info --base 2>/dev/null </dev/null)
    for root in "$base" "$HOME/miniconda3" "$HOME/anaconda3" /opt/conda; do
        [ -n "$root" ] && printf '%s\n' "$root"/bin/python "$root"/envs/*/bin/python
    done
}

# Prints "VERSION PATH" of every interpreter that starts.
found() {
    { on_path; under_pyenv; under_conda; } | while IFS= read -r candidate; do
        probe "$candidate"
    done
}

# Prints the first path in $1 (lines of "VERSION PATH") of the best wanted version.
best() {
    for version in $wanted; do
        path=$(printf '%s\n' "$1" | sed -n "s/^$version //p" | head -n 1)
        if [ -n "$path" ]; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

case ${1-} in
    tf1) wanted="3.7" named=${PYTHON_TF1-} ;;
    tf2) wanted="3.13 3.12 3.11 3.10" named=${PYTHON_TF2-} ;;
    lint) wanted="3.14 3.13 3.12 3.11 3.10 3.9 3.8 3.7" named= ;;
    *)
        echo "usage: scripts/find_python.sh tf1|tf2|lint" >&2
        exit 2
        ;;
esac

if [ -z "$named" ]; then
    best "$(found)"
elif ! best "$(probe "$(command -v "$named")")"; then
    echo "$named is not a Python for $1: it must be one of these versions," \
        "with the modules venv and ensurepip: $wanted" >&2
    exit 1
fi
