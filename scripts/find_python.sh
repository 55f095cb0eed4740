#!/bin/sh
# Prints the path of a Python that can create virtual environments:
#
#     scripts/find_python.sh NAMED VERSION...
#
# NAMED is a Python that the user chose. If it is empty, PATH, pyenv and conda are
# searched for the first of the versions that is there. Exit status 1: there is none.

named=$1
shift
unset PYTHONHOME PYTHONPATH

# Prints the path of $1 if it is a CPython of version $2. It has to be started to know:
# pyenv puts a python3.7 on PATH that refuses to run unless 3.7 is selected. The path is
# that of the base interpreter, which outlives the environment that may be active.
probe() {
    "$1" -c '
import os, sys, ensurepip, venv
version = "%d.%d" % sys.version_info[:2]
assert version == sys.argv[1] and sys.implementation.name == "cpython"
assert "t" not in sys.abiflags  # TensorFlow needs the global interpreter lock.
base = os.path.join(sys.base_prefix, "bin", "python" + version)
print(base if os.access(base, os.X_OK) else sys.executable)
' "$2" </dev/null 2>/dev/null
}

conda=$(conda info --base 2>/dev/null </dev/null)
pyenv=${PYENV_ROOT:-$HOME/.pyenv}

for version; do
    if [ -n "$named" ]; then
        probe "$named" "$version" && exit
        continue
    fi
    for candidate in "python$version" \
        "$pyenv"/versions/*/bin/"python$version" \
        "${conda:-/opt/conda}"/bin/"python$version" \
        "${conda:-/opt/conda}"/envs/*/bin/"python$version" \
        "$HOME"/*conda3/bin/"python$version" \
        "$HOME"/*conda3/envs/*/bin/"python$version"; do
        probe "$candidate" "$version" && exit
    done
done

echo "No Python found: ${named:-PATH, pyenv and conda} must provide Python" \
    "$(echo "$*" | sed 's/ / or /g') with the modules venv and ensurepip" >&2
exit 1
