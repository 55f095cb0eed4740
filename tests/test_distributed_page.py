"""The commands of docs/DISTRIBUTED.md that no test of the program runs."""

import os
import re
import subprocess

_SCONTROL = "#!/bin/sh\nprintf 'node1\\nnode2\\n'\n"
# Runs the task as SLURM would, as the first of all and as the second of node2.
_SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
export SLURM_JOB_NODELIST='node[1-2]'
for SLURM_PROCID in 0 5; do export SLURM_PROCID; "$@"; done
"""
_PYTHON = '#!/bin/sh\necho "$@"\n'


def test_srun_fills_in_the_workers(root, tmp_path):
    for name, text in (("scontrol", _SCONTROL), ("srun", _SRUN), ("python", _PYTHON)):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
    with open(os.path.join(root, "docs", "DISTRIBUTED.md")) as file:
        (command,) = re.findall(r"```shell\n(srun .*?)```", file.read(), re.DOTALL)
    environment = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-c", command], env=environment, stdout=subprocess.PIPE, check=True
    )
    workers = "--workers=" + ",".join(
        "node%d:%d" % (node, port) for node in (1, 2) for port in range(23400, 23404)
    )
    assert [line.split()[1:3] for line in done.stdout.decode().splitlines()] == [
        [workers, "--worker_index=0"],
        [workers, "--worker_index=5"],
    ]
