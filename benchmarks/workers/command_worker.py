"""A worker that runs a whole command, and reports the memory of only that command.

The spec contains: command (a list of arguments, to which --output_dir is added: a fresh
directory for each run) and optionally env (variables to add to the environment).
"""

import os
import resource
import subprocess
import sys
import tempfile

from benchmarks.workers import serving


def set_up(spec):
    def run():
        with tempfile.TemporaryDirectory() as output_dir:
            command = [*spec["command"], "--output_dir=" + output_dir]
            env = dict(os.environ, **spec.get("env", {}))
            done = subprocess.run(command, stdin=subprocess.DEVNULL, env=env)
        if done.returncode:
            sys.exit("the command's exit status is %d" % done.returncode)

    return {}, run


if __name__ == "__main__":
    serving.serve(set_up, resource.RUSAGE_CHILDREN)
