"""Runs the program with a hook in its training session.

python hooked_run.py save FILE.npz FLAGS...         saves all variables at the end
python hooked_run.py stop STEP FLAGS...             SIGTERM to itself after a step
python hooked_run.py stop_evaluation STEP FLAGS...  and during that of a step
python hooked_run.py disconnect STEP FLAGS...       TensorFlow's network fails then
"""

import os
import signal
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

import run_classifier
from finetuning.device import backend


def main(action, argument, flags):
    backend.start("3")
    import tensorflow.compat.v1 as tf

    from finetuning.evaluation import inference
    from finetuning.training import loop

    class Hook(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            del run_values
            if action not in ("stop", "disconnect"):
                return
            step = run_context.session.run(tf.train.get_global_step())
            if step == int(argument) and action == "stop":
                os.kill(os.getpid(), signal.SIGTERM)
            elif step == int(argument):
                raise tf.errors.UnavailableError(None, None, "Socket closed")

        def end(self, session):
            if action == "save":
                variables = {v.op.name: v for v in tf.global_variables()}
                np.savez(argument, **session.run(variables))

    hooks_of_run = loop._hooks
    loop._hooks = lambda *arguments: [*hooks_of_run(*arguments), Hook()]
    evaluate = inference.Evaluator.run

    def run(evaluator, session, label, is_cancelled):
        if action == "stop_evaluation" and label.endswith(" " + argument):
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(evaluator, session, label, is_cancelled)

    inference.Evaluator.run = run
    return run_classifier.main(["run_classifier.py", *flags])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], sys.argv[3:]))
