"""The demo: the main job on the small corpus under examples/, from random weights.

  make demo

Makes a 2-layer encoder, then runs run_classifier.py as a user would: train, evaluate,
predict. What it writes goes to demo_output/, which it empties first.
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from finetuning.device import backend, detect  # noqa: E402

EXAMPLE = os.path.join("examples", "paraphrase")
SEED = 1


def make_encoder(config_file, prefix):
    """Writes a checkpoint of an encoder with random weights, as Google's are named.

    Args:
      config_file: path of its `bert_config.json`.
      prefix: of the checkpoint; its directory must exist.
    """
    backend.start()
    import tensorflow.compat.v1 as tf

    import modeling
    from finetuning.checks import model_config

    detect.find_device()  # Takes the noise of the first session upon itself.
    config = model_config.read_config(config_file)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(SEED)
        modeling.BertModel(config, False, tf.zeros([1, 2], tf.int32))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix, write_meta_graph=False)


def show_files(output):
    def count(name):
        with open(os.path.join(output, name), encoding="utf-8") as file:
            return sum(1 for _ in file)

    rows = [
        ("eval_results.txt", "the scores, one a line"),
        ("eval_results.json", "the scores with all that made them"),
        ("eval_predictions.tsv", "the dev pairs with label, probabilities and verdict"),
        ("predictions.tsv", "%d predictions" % (count("predictions.tsv") - 1)),
        ("model.ckpt-*", "the checkpoints"),
        ("run.log", "all that the screen showed"),
    ]
    print("\nIn %s:" % output)
    for name, meaning in rows:
        print("  %-20s %s" % (name, meaning))


def main():
    os.chdir(ROOT)
    shutil.rmtree("demo_output", ignore_errors=True)
    encoder = os.path.join("demo_output", "encoder")
    os.makedirs(encoder)
    prefix = os.path.join(encoder, "bert_model.ckpt")
    print("Making a 2-layer encoder with random weights: %s" % prefix, flush=True)
    make_encoder(os.path.join(EXAMPLE, "bert_config.json"), prefix)
    output = os.path.join("demo_output", "run")
    command = [
        "run_classifier.py",
        "--flagfile=configs/demo.flags",
        "--init_checkpoint=" + prefix,
        "--output_dir=" + output,
    ]
    print("\n$ python %s\n" % " ".join(command), flush=True)
    status = subprocess.run([sys.executable] + command, check=False).returncode
    if status == 0:
        show_files(output)
        print("\nREADME.md shows the same on MRPC.")
    return status


if __name__ == "__main__":
    sys.exit(main())
