#!/bin/sh
# Installs PyTorch's build for CPUs where there is no NVIDIA GPU:
#
#     benchmarks/cpu_torch.sh PYTHON REQUIREMENTS
#
# On Linux, the build on PyPI brings gigabytes of CUDA. The one for CPUs has an index of
# its own. It is tried once, and only for this package, so that an index that cannot be
# reached costs seconds; then the build on PyPI is left to be installed.

[ "$(uname)" = Linux ] || exit 0
nvidia-smi -L 2>/dev/null | grep -q "^GPU" && exit 0

torch=$(sed -n 's/^torch==[^ ;]*/&+cpu/p' "$2")
"$1" -m pip install --disable-pip-version-check -qq --no-deps --retries 0 --timeout 15 \
    --index-url https://download.pytorch.org/whl/cpu "$torch" 2>/dev/null ||
    echo "Found no $torch for this Python: installing the build for GPUs, which is large"
