"""Runs the demo: fine-tunes a tiny encoder on the corpus under examples/.

  make demo

Creates a 2-layer encoder with random weights, then trains, evaluates and predicts with
run_classifier.py. Everything is written to demo_output/, which is emptied first.
"""

import os
import shutil
import subprocess
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.device import backend, detect
from finetuning.utils.console import log
from scripts import entry

CONFIG = os.path.join("examples", "paraphrase", "bert_config.json")
OUTPUT = "demo_output"
SEED = 1
FILES = """
  eval_results.txt      the scores, one per line
  eval_results.json     the scores and everything that produced them
  eval_predictions.tsv  the dev pairs with label, probabilities and prediction
  predictions.tsv       the predictions for the test pairs
  model.ckpt-*          the checkpoints
  run.log               everything that was shown

README.md shows the same on MRPC."""


def make_encoder(config_file, prefix):
    """Writes a checkpoint of an encoder with random weights, named as Google's are.

    Args:
      config_file: path of its `bert_config.json`.
      prefix: of the checkpoint; its directory must exist.
    """
    backend.start()
    import tensorflow.compat.v1 as tf

    import modeling

    detect.find_device()  # Swallows what TensorFlow prints in its first session.
    config = modeling.BertConfig.from_json_file(config_file)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(SEED)
        modeling.BertModel(config, False, tf.zeros([1, 2], tf.int32))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix, write_meta_graph=False)


def run(argv):
    entry.Parser(prog="demo.py", description=__doc__).parse_args(argv)
    os.chdir(entry.ROOT)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    prefix = os.path.join(OUTPUT, "encoder", "bert_model.ckpt")
    os.makedirs(os.path.dirname(prefix))
    log.info("Creating a 2-layer encoder with random weights: %s", prefix)
    make_encoder(CONFIG, prefix)
    output_dir = os.path.join(OUTPUT, "run")
    command = ["run_classifier.py", "--flagfile=configs/demo.flags"]
    command += ["--init_checkpoint=" + prefix, "--output_dir=" + output_dir]
    log.info("\n$ python %s\n", " ".join(command))
    status = subprocess.run([sys.executable] + command, check=False).returncode
    if status == 0:
        log.info("\nIn %s:%s", output_dir, FILES)
        log.info("For your own runs, %s", environment.activation())
    return status


def main(argv=None):
    """Runs the demo; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
