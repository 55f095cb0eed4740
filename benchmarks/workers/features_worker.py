"""A worker that converts text to features on disk, with this program or the original.

The spec contains: program ("ours" or "original") and flags (data_dir, vocab_file,
bert_config_file, max_seq_length and output_dir). Each request reads MRPC's training
file, converts it and writes the TFRecord file, as a run of the program does.
"""

import os

from benchmarks.workers import serving


def set_up(spec):
    convert = {"ours": _ours, "original": _original}[spec["program"]](spec["flags"])
    return {"examples": convert()}, convert


def _ours(flags):
    from finetuning.checkpoints.output_dir import OutputDir
    from finetuning.checks import inputs
    from finetuning.data import preparation
    from finetuning.device import backend
    from finetuning.flags import settings
    from finetuning.utils import console

    backend.start()
    chosen = settings.Settings(task_name="MRPC", do_train=True, **flags)
    checked = inputs.check_inputs(chosen, OutputDir(chosen.output_dir))

    def convert():
        with console.screen():
            (dataset,) = preparation.prepare(chosen, checked, chosen.output_dir)
        return dataset.records.count

    return convert


def _original(flags):
    import tensorflow.compat.v1 as tf

    import run_classifier
    import tokenization

    tf.logging.set_verbosity(tf.logging.INFO)  # As its main function sets it.
    processor = run_classifier.MrpcProcessor()
    tokenizer = tokenization.FullTokenizer(flags["vocab_file"], do_lower_case=True)
    target = os.path.join(flags["output_dir"], "train.tf_record")

    def convert():
        examples = processor.get_train_examples(flags["data_dir"])
        labels, length = processor.get_labels(), flags["max_seq_length"]
        run_classifier.file_based_convert_examples_to_features(
            examples, labels, length, tokenizer, target
        )
        return len(examples)

    return convert


if __name__ == "__main__":
    serving.serve(set_up)
