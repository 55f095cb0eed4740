"""Text to features on disk, by this program or the original; see worker.py.

The spec holds: program, directory, and the flags data_dir, vocab_file,
bert_config_file, max_seq_length and output_dir. Each request reads MRPC's training
file, converts it and writes the TFRecord file, as a run of the program does.
"""

import os
import sys

import serving


def set_up(spec):
    sys.path.insert(0, spec["directory"])
    program = {"ours": _ours, "original": _original}[spec["program"]]
    return {}, program(spec["flags"])


def _ours(flags):
    from finetuning.checks import inputs
    from finetuning.data import preparation
    from finetuning.device import backend
    from finetuning.flags import settings
    from finetuning.utils import console

    backend.start()
    chosen = settings.Settings(task_name="MRPC", do_train=True, **flags)
    inputs = inputs.check(chosen)

    def convert():
        with console.screen():
            (examples,) = preparation.prepare(chosen, inputs, chosen.output_dir)
        return examples.records.count

    return convert


def _original(flags):
    import tensorflow.compat.v1 as tf

    import run_classifier
    import tokenization

    tf.logging.set_verbosity(tf.logging.INFO)  # As its main sets it.
    processor = run_classifier.MrpcProcessor()
    tokenizer = tokenization.FullTokenizer(flags["vocab_file"], do_lower_case=True)
    target = os.path.join(flags["output_dir"], "train.tf_record")

    def convert():
        examples = processor.get_train_examples(flags["data_dir"])
        run_classifier.file_based_convert_examples_to_features(
            examples,
            processor.get_labels(),
            flags["max_seq_length"],
            tokenizer,
            target,
        )
        return len(examples)

    return convert


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    serving.serve(set_up)
