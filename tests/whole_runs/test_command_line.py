"""The whole program as its user runs it: train, evaluate, predict, resume."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding
from finetuning.checks import model_config
from finetuning.data import records
from finetuning.device import detect
from finetuning.training import loop
from finetuning.utils.errors import InputError
from tests.support import corpus, models
from tests.support.running import Finished, Run, succeed

STEPS = 15  # int(40 examples / 8 a batch * 3 epochs)


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("corpus") / "mrpc"))


@pytest.fixture(scope="module")
def trained(root, flags, tmp_path_factory):
    """One full run, which the tests below look at."""
    directory = str(tmp_path_factory.mktemp("trained") / "out")
    run = Finished(
        root,
        flags
        + ["--do_train=true", "--do_eval=true", "--do_predict=true"]
        + ["--save_checkpoints_steps=4", "--keep_checkpoint_max=3"]
        + ["--output_dir=" + directory],
    )
    assert run.status == 0, run.out + run.err
    return run, directory


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the finished run's directory, to be changed."""
    return shutil.copytree(trained[1], str(tmp_path / "out"))


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def names(directory):
    return {re.sub(r"\.\d{9,}\..*", "", name) for name in os.listdir(directory)}


def weights(directory, step):
    prefix = os.path.join(directory, "model.ckpt-%d" % step)
    found = tf.train.list_variables(prefix)
    return {name: tf.train.load_variable(prefix, name) for name, _ in found}


def events(directory):
    """tag -> {step: value} of all event files of a directory."""
    found = {}
    for name in os.listdir(directory):
        if name.startswith("events"):
            path = os.path.join(directory, name)
            for event in tf.train.summary_iterator(path):
                for value in event.summary.value:
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_files(trained):
    found = names(trained[1])
    expected = {"checkpoint", "graph.pbtxt", "events.out.tfevents", "eval", "run.log"}
    expected |= {"train.tf_record", "eval.tf_record", "predict.tf_record"}
    expected |= {"eval_results.txt", "eval_results.json", "test_results.tsv"}
    expected |= {"eval_predictions.tsv", "predictions.tsv", "MRPC.tsv"}
    expected |= {"run_settings.json", "labels.json", "predict_results.json"}
    expected |= {"run.flags", ".lock"}
    for step in (8, 12, 15):  # The newest three of 0, 4, 8, 12, 15.
        for part in ("index", "meta", "data-00000-of-00001"):
            expected.add("model.ckpt-%d.%s" % (step, part))
    assert found == expected


def test_screen(trained):
    run, directory = trained
    assert run.err == ""
    for line in (
        r"^Device: (CPU, \d+ threads|GPU, .*) \(TensorFlow [0-9.]+.*\)$",
        r"^Random seed: 11, as given$",
        r"^tokens: \[CLS\] \w+ \w+ \w+ \. \[SEP\] \w+ was \w+ by \w+ \. \[SEP\]$",
        r"^examples +read +in GLUE +truncated to 16$",
        r"^train\.tsv +40 +3668 +0$",
        r"^dev\.tsv +13 +408 +0$",
        r"^test\.tsv +11 +1725 +0$",
        r"^Read in \d+ s$",
        r"^WARNING: \S+test\.tsv: 11 examples, but GLUE's MRPC has 1725: 1714 are",
        r"^Training: 40 examples, batch size 8, 3 epochs: 15 steps, 1 of them warm-up$",
        r"^Warm start: 39 variables restored from .*bert_model\.ckpt$",
        r"^Warm start: not in it, newly initialized: output_weights, output_bias$",
        r"^Warm start: in it but not used: cls/predictions/output_bias$",
        r"^Saved .*model\.ckpt-0$",
        r"^training: step 1 of 15, loss [0-9.]+, learning rate 0$",
        r"^training: step 15 of 15, loss [0-9.]+, learning rate \S+, \S+ examples/s$",
        r"^Saved .*model\.ckpt-15$",
        r"^  f1 +[0-9.]+$",
        r"^  main score \(mean of accuracy and f1\) +[0-9.]+$",
        r"^  \(accuracy of the majority class\) +0\.5385$",
        r"^11 predictions written to .*test_results\.tsv$",
        r"^The same with ids and labels: .*predictions\.tsv$",
        r"^The same for GLUE's server: .*MRPC\.tsv$",
    ):
        assert re.search(line, run.out, re.MULTILINE), line + "\n" + run.out
    noise = re.compile(r"deprecat|Instructions for updating|oneDNN|cuda", re.IGNORECASE)
    assert not noise.search(run.out)


def test_log_file_holds_what_the_screen_showed(trained):
    run, directory = trained
    logged = [
        line.split("  ", 1)[1] for line in read(directory, "run.log").splitlines()
    ]
    assert logged == run.out.splitlines()


def test_results(trained):
    directory = trained[1]
    lines = read(directory, "eval_results.txt").splitlines()
    figures = dict(line.split(" = ") for line in lines)
    assert list(figures) == sorted(figures)
    assert {"eval_accuracy", "eval_loss", "global_step", "loss"} < set(figures)
    assert {"eval_f1", "eval_precision", "eval_recall"} < set(figures)
    assert figures["global_step"] == "15"
    assert figures["loss"] == figures["eval_loss"]
    counts = [
        int(figures["eval_%s_%ss" % (truth, kind)])
        for truth in ("true", "false")
        for kind in ("positive", "negative")
    ]
    assert sum(counts) == 13
    right = (counts[0] + counts[1]) / 13
    assert float(figures["eval_accuracy"]) == pytest.approx(right, rel=1e-6)
    mean = (right + float(figures["eval_f1"])) / 2
    assert float(figures["eval_main_score"]) == pytest.approx(mean, rel=1e-6)


def test_results_as_json(trained):
    directory = trained[1]
    content = corpus.read_json(os.path.join(directory, "eval_results.json"))
    assert content["checkpoint"].endswith("model.ckpt-15")
    assert content["global_step"] == 15
    assert content["num_examples"] == 13
    assert content["data_file"].endswith("dev.tsv")
    assert content["random_seed"] == 11
    assert content["settings"]["train_batch_size"] == 8
    assert content["versions"]["tensorflow"] == tf.__version__
    assert content["device"]
    assert "git_revision" in content
    assert content["results"]["eval_loss"] == content["results"]["loss"]
    assert content["task"] == "MRPC"
    assert content["labels"] == ["0", "1"]
    assert content["main_metrics"] == ["accuracy", "f1"]
    assert content["majority_accuracy"] == pytest.approx(7 / 13)
    # Label 0 is the commonest, and of it alone there is no F1.
    assert content["majority_score"] == pytest.approx(7 / 13 / 2)


def test_what_made_the_predictions(trained):
    content = corpus.read_json(os.path.join(trained[1], "predict_results.json"))
    assert content["checkpoint"].endswith("model.ckpt-15")
    assert content["global_step"] == 15
    assert content["data_file"].endswith("test.tsv")
    assert content["num_examples"] == 11
    assert content["files"] == ["test_results.tsv", "predictions.tsv", "MRPC.tsv"]
    assert content["training"]["random_seed"] == 11


def test_text_read_otherwise_than_in_training_is_said(flags, copy, tmp_path):
    chosen = [f for f in flags if "max_seq_length" not in f]
    chosen += ["--do_eval", "--max_seq_length=12", "--do_lower_case=false"]
    # Of these words one has a capital: that they were not lower-cased is possible.
    vocabulary = corpus.VOCABULARY[:-1] + ["##S"] + corpus.NAMES + sorted(corpus.VERBS)
    corpus.write_lines(str(tmp_path / "vocab.txt"), vocabulary)
    chosen.append("--vocab_file=%s" % (tmp_path / "vocab.txt"))
    run = succeed(chosen + ["--output_dir=" + copy])
    said = "WARNING: The weights were trained otherwise: "
    assert said + "--max_seq_length was 16, is 12\n" in run.out
    assert said + "--do_lower_case was true, is false\n" in run.out
    as_before = succeed(flags + ["--do_eval", "--output_dir=" + copy])
    assert said not in as_before.out


def test_predictions(trained):
    rows = [
        line.split("\t") for line in read(trained[1], "test_results.tsv").split("\n")
    ]
    assert rows.pop() == [""]
    assert len(rows) == 11
    assert {len(row) for row in rows} == {2}
    np.testing.assert_allclose(np.array(rows, float).sum(axis=1), 1.0, atol=1e-6)


def test_summaries(trained):
    training = events(trained[1])
    assert set(training) == {"loss", "learning_rate", "examples_per_second"}
    assert 15 in training["loss"]
    evaluation = events(os.path.join(trained[1], "eval"))
    assert {"eval_accuracy", "eval_f1", "eval_loss"} < set(evaluation)
    assert list(evaluation["eval_loss"]) == [15]


def test_slots_and_names_in_the_checkpoint(trained):
    found = weights(trained[1], 15)
    model = {name for name in found if "adam" not in name} - {"global_step"}
    assert len(model) == 41
    slots = {name + slot for name in model for slot in ("/adam_m", "/adam_v")}
    assert set(found) == model | slots | {"global_step"}


def test_training_starts_from_the_initial_checkpoint(flags, trained, tmp_path):
    """After one step at rate 0 the weights still are the pretrained ones."""
    out = str(tmp_path / "out")
    run = Run(
        flags
        + ["--do_train", "--num_train_epochs=0.2", "--warmup_proportion=1"]
        # One step in all, the first of one of warm-up: its rate is 0.
        + ["--output_dir=" + out],
    )
    assert run.status == 0, run.out + run.err
    prefix = [f for f in flags if f.startswith("--init")][0].split("=")[1]
    found = weights(out, 1)
    for name, _ in tf.train.list_variables(prefix):
        if name.startswith("bert/"):
            expected = tf.train.load_variable(prefix, name)
            np.testing.assert_array_equal(found[name], expected, err_msg=name)


def test_nothing_left_to_train_is_said_aloud(flags, copy):
    before = read(copy, "checkpoint")
    run = Run(flags + ["--do_train=true", "--output_dir=" + copy])
    assert run.status == 0
    assert re.search(r"^WARNING: NOTHING LEFT TO TRAIN: .* 15 of 15", run.out, re.M)
    assert "To train anew" in run.out
    assert read(copy, "checkpoint") == before


def test_resuming(flags, copy):
    """More epochs in the same directory: goes on at step 15, to 20, with its seed."""
    longer = [f for f in flags if "epochs" not in f and "seed" not in f]
    run = Run(
        longer
        + ["--do_train=true", "--num_train_epochs=4", "--output_dir=" + copy]
        + ["--keep_checkpoint_max=3", "--allow_changes"],
    )
    assert run.status == 0, run.out + run.err
    assert re.search(r"^RESUMING at step 15 from .*model\.ckpt-15", run.out, re.M)
    assert re.search(r"^Random seed: 11, as saved in", run.out, re.M)
    assert "training: step 16 of 20" in run.out
    assert weights(copy, 20)["global_step"] == 20
    kept = {name for name in names(copy) if name.endswith(".index")}
    assert kept == {"model.ckpt-%d.index" % step for step in (12, 15, 20)}


def test_a_seed_is_drawn_shown_and_saved(flags, tmp_path):
    out = str(tmp_path / "out")
    without = [flag for flag in flags if "seed" not in flag]
    run = Run(without + ["--do_train", "--num_train_epochs=0.3", "--output_dir=" + out])
    shown = int(re.search(r"^Random seed: (\d+), drawn", run.out, re.M).group(1))
    saved = corpus.read_json(os.path.join(out, "run_settings.json"))
    assert saved["random_seed"] == shown


def test_evaluation_with_a_fine_tuned_initial_checkpoint(flags, trained, tmp_path):
    """Nothing in output_dir: the weights of --init_checkpoint, head and all."""
    directory = trained[1]
    out = str(tmp_path / "out")
    run = Run(
        [flag for flag in flags if "init_checkpoint" not in flag]
        + ["--do_eval=true", "--do_predict=true", "--output_dir=" + out]
        + ["--init_checkpoint=" + directory, "--eval_batch_size=5"],
    )
    assert run.status == 0, run.out + run.err
    assert "UNTRAINED" not in run.out
    for name in ("eval_results.txt", "test_results.tsv"):
        ours = numbers(read(out, name))
        np.testing.assert_allclose(ours, numbers(read(directory, name)), atol=1e-6)


def numbers(text):
    return [float(word) for word in re.split(r"[\s=]+", text) if re.match(r"\d", word)]


def test_an_untrained_head_is_said_aloud(flags, tmp_path):
    out = str(tmp_path / "out")
    run = Run(flags + ["--do_eval=true", "--output_dir=" + out])
    assert run.status == 0, run.out + run.err
    assert re.search(r"^WARNING: UNTRAINED CLASSIFIER: ", run.out, re.M)
    content = corpus.read_json(os.path.join(out, "eval_results.json"))
    assert content["untrained_variables"] == ["output_weights", "output_bias"]


def test_an_untrained_head_in_the_output_directory_is_said_aloud(flags, tmp_path):
    out = str(tmp_path / "out")
    prefix = next(f for f in flags if f.startswith("--init")).split("=")[1]
    shutil.copytree(os.path.dirname(prefix), out)
    run = Run(flags + ["--do_eval=true", "--output_dir=" + out])
    assert run.status == 0, run.out + run.err
    assert re.search(r"^WARNING: UNTRAINED CLASSIFIER: %s/" % out, run.out, re.M)


def test_a_directory_that_was_moved(flags, copy, tmp_path):
    moved = str(tmp_path / "elsewhere")
    os.rename(copy, moved)
    run = Run(flags + ["--do_eval=true", "--output_dir=" + moved])
    assert run.status == 0, run.out + run.err
    assert "step 15" in run.out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--learning_rat=1", "--do_train"], "the nearest is --learning_rate"),
        ([], "nothing to do"),
        (["--do_train", "--use_tpu=true"], "TPUs no longer run"),
        (["--do_train", "--max_seq_length=21"], "max_position_embeddings 20"),
        (["--do_eval", "--init_checkpoint="], "--init_checkpoint= is empty"),
        (["--do_train", "--train_batch_size=900"], "make no whole step"),
        (["--do_train", "--num_train_epochs=1e30"], "make more steps than"),
        (["--do_train", "--data_dir=/nowhere"], "--data_dir=/nowhere is not"),
    ],
)
def test_bad_input_is_one_line(root, flags, tmp_path, arguments, words):
    out = str(tmp_path / "out")
    run = Finished(root, flags + ["--output_dir=" + out] + arguments)
    assert run.status == 2
    assert words in run.err
    assert run.err.count("\n") == 1
    assert "Traceback" not in run.out + run.err


def test_a_bad_row_ends_the_run_before_training(flags, tmp_path):
    """Though it stands in the test set, which would be read last."""
    source = [f for f in flags if f.startswith("--data_dir")][0].split("=")[1]
    data = shutil.copytree(source, str(tmp_path / "data"))
    with open(os.path.join(data, "test.tsv"), "a", encoding="utf-8") as file:
        file.write("12\tonly two\n")
    run = Run(
        flags
        + ["--data_dir=" + data, "--output_dir=" + str(tmp_path / "out")]
        + ["--do_train", "--do_predict"],
    )
    assert run.status == 2
    assert "test.tsv, line 13: 2 columns, expected 5" in run.err
    assert "Training" not in run.out
    assert run.err.strip() in read(str(tmp_path / "out"), "run.log")


@pytest.mark.parametrize(
    "arguments",
    [
        [],  # The loss shows it, a step after the weights went wrong.
        ["--save_checkpoints_steps=1"],  # The save that lies between must not happen.
        ["--num_train_epochs=0.4", "--warmup_proportion=0.5"],  # Nor the last one.
    ],
)
def test_weights_that_are_not_finite_end_the_run(flags, tmp_path, arguments):
    """The last good checkpoint stays the newest."""
    out = str(tmp_path / "out")
    run = Run(
        flags
        + ["--do_train", "--do_eval", "--learning_rate=1e38", "--output_dir=" + out]
        + arguments,
    )
    assert run.status == 2, run.out + run.err
    reasons = r"the loss is nan|the weights are not|.* probabilities that are not"
    assert re.search("^ERROR: (%s)" % reasons, run.err)
    assert run.err.count("\n") == 1
    newest = int(tf.train.latest_checkpoint(out).split("-")[-1])
    for value in weights(out, newest).values():
        assert np.all(np.isfinite(value))


def test_a_checkpoint_that_is_not_finite_is_not_scored(flags, copy, tmp_path):
    found = weights(copy, 15)
    found["output_bias"][:] = np.nan
    prefix = str(tmp_path / "bad" / "model.ckpt")
    models.save_checkpoint(prefix, found)
    without = [flag for flag in flags if "init_checkpoint" not in flag]
    run = Run(
        without
        + ["--do_eval", "--init_checkpoint=" + prefix]
        + ["--output_dir=" + str(tmp_path / "fresh")],
    )
    assert run.status == 2
    assert "probabilities that are not finite" in run.err


def test_checkpoints_elsewhere_are_left_alone(flags, copy, tmp_path):
    """A copy whose `checkpoint` file names the place that it was copied from."""
    other = str(tmp_path / "other")
    os.makedirs(other)
    for name in os.listdir(copy):
        if name.startswith("model.ckpt-15"):
            shutil.copy(os.path.join(copy, name), other)
    lines = ['model_checkpoint_path: "%s/model.ckpt-15"' % copy]
    lines += ['all_model_checkpoint_paths: "%s/model.ckpt-8"' % copy]
    lines += ['all_model_checkpoint_paths: "%s/model.ckpt-15"' % copy]
    with open(os.path.join(other, "checkpoint"), "w") as file:
        file.write("\n".join(lines) + "\n")
    before = sorted(os.listdir(copy))
    run = Run(
        flags
        + ["--do_train", "--num_train_epochs=4", "--output_dir=" + other]
        + ["--keep_checkpoint_max=1"],
    )
    assert run.status == 0, run.out + run.err
    assert "RESUMING at step 15 from %s" % other in run.out
    assert sorted(os.listdir(copy)) == before


def test_other_settings_on_resuming_are_said_aloud(flags, copy):
    run = Run(
        flags
        + ["--do_train", "--num_train_epochs=4", "--learning_rate=2e-3"]
        + ["--allow_changes", "--output_dir=" + copy],
    )
    assert run.status == 0, run.out + run.err
    assert re.search(r"^WARNING: .*--learning_rate was 0.001, is 0.002", run.out, re.M)


def test_results_say_what_made_the_weights(flags, copy):
    """Evaluated later with other flags: the training's own seed and rate are told."""
    without = [f for f in flags if "seed" not in f and "learning" not in f]
    run = Run(
        without
        + ["--do_eval", "--random_seed=99", "--learning_rate=0.5"]
        + ["--output_dir=" + copy],
    )
    assert run.status == 0, run.out + run.err
    content = corpus.read_json(os.path.join(copy, "eval_results.json"))
    assert content["random_seed"] == 11
    assert content["training"]["settings"]["learning_rate"] == 1e-3


def test_case_is_checked_for_a_directory_too(flags, tmp_path):
    prefix = next(f for f in flags if f.startswith("--init")).split("=")[1]
    named = shutil.copytree(
        os.path.dirname(prefix), str(tmp_path / "cased_L-12_H-768_A-12")
    )
    run = Run(
        flags
        + ["--do_train", "--init_checkpoint=" + named]
        + ["--output_dir=" + str(tmp_path / "out")],
    )
    assert run.status == 2
    assert "--do_lower_case" in run.err


def test_screen_of_another_encoding(root, flags, tmp_path):
    """A character that the terminal lacks does not end the run."""
    source = next(f for f in flags if f.startswith("--data_dir")).split("=")[1]
    data = shutil.copytree(source, str(tmp_path / "d\u0131r"))
    run = Finished(
        root,
        flags
        + ["--data_dir=" + data, "--do_eval", "--output_dir=" + str(tmp_path / "out")],
        env={"PYTHONIOENCODING": "latin-1"},
    )
    assert run.status == 0, run.out + run.err
    assert "d\\u0131r" in run.out


def test_orphaned_checkpoints_are_not_trained_over(flags, copy):
    for name in ("checkpoint", "run_settings.json"):  # As if the original wrote it.
        os.remove(os.path.join(copy, name))
    run = Run(flags + ["--do_train", "--output_dir=" + copy])
    assert run.status == 2
    assert "its file 'checkpoint' is missing" in run.err
    assert "model.ckpt-15" in run.err
    assert "model.ckpt-15.index" in os.listdir(copy)


def test_require_gpu(root, flags, tmp_path):
    run = Finished(
        root,
        flags
        + ["--do_train", "--require_gpu", "--output_dir=" + str(tmp_path / "out")],
        env={"CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert run.status == 2
    assert "--require_gpu: TensorFlow finds no GPU" in run.err


def test_flags_without_effect_are_named(flags, tmp_path):
    run = Run(
        flags
        + ["--do_eval", "--iterations_per_loop=1000", "--use_tpu=false"]
        + ["--output_dir=" + str(tmp_path / "out")],
    )
    assert run.status == 0, run.out + run.err
    assert "--iterations_per_loop has no effect" in run.out


def test_paths_of_tensorflows_file_layer(flags):
    """ram:// stands for gs:// and the like; TensorFlow 1.14 has no such one."""
    try:
        tf.io.gfile.makedirs("ram://probe")
    except tf.errors.UnimplementedError:
        pytest.skip("this TensorFlow has no ram:// file system")
    import run_classifier

    copied = list(flags)
    for index, flag in enumerate(flags):
        name, value = flag.split("=", 1)
        if name in ("--vocab_file", "--bert_config_file"):
            target = "ram://in/" + os.path.basename(value)
            tf.io.gfile.copy(value, target, overwrite=True)
            copied[index] = "%s=%s" % (name, target)
        if name == "--data_dir":
            for file in os.listdir(value):
                target = "ram://in/data/" + file
                tf.io.gfile.copy(os.path.join(value, file), target, overwrite=True)
            copied[index] = "--data_dir=ram://in/data"
    phases = ["--do_train", "--do_eval", "--do_predict", "--output_dir=ram://out"]
    assert run_classifier.main(["run_classifier.py"] + copied + phases) == 0
    found = tf.io.gfile.listdir("ram://out")
    assert {"eval_results.txt", "test_results.tsv", "run.log"} <= set(found)
    with tf.io.gfile.GFile("ram://out/run.log") as file:
        assert "step 15 of 15" in file.read()


def test_the_run_of_the_original(shared_dir, tmp_path):
    """Its checkpoint evaluates and predicts here to the numbers it gave there."""
    golden = os.path.join(shared_dir, "golden", "original_run")
    out = str(tmp_path / "out")
    os.makedirs(out)
    theirs = os.path.join(golden, "output")
    for name in os.listdir(theirs):
        if name.startswith(("model.ckpt", "checkpoint")):
            shutil.copyfile(os.path.join(theirs, name), os.path.join(out, name))
    run = Run(
        ["--task_name=MRPC", "--do_eval=true", "--do_predict=true"]
        + ["--data_dir=" + os.path.join(shared_dir, "data", "glue", "MRPC")]
        + ["--vocab_file=" + shared_dir + "/models/minilm-l6-h384/vocab.txt"]
        + ["--bert_config_file=" + golden + "/pretrained/bert_config.json"]
        + ["--max_seq_length=64", "--output_dir=" + out],
    )
    assert run.status == 0, run.out + run.err
    ours = np.loadtxt(os.path.join(out, "test_results.tsv"))
    expected = np.loadtxt(os.path.join(theirs, "test_results.tsv"))
    assert ours.shape == (1725, 2)
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    ours = dict(
        line.split(" = ") for line in read(out, "eval_results.txt").splitlines()
    )
    for line in read(theirs, "eval_results.txt").splitlines():
        key, value = line.split(" = ")
        assert float(ours[key]) == pytest.approx(float(value), abs=2e-5), key


# The optimiser


@pytest.mark.parametrize("chosen", [False, True])
def test_bias_correction(flags, tmp_path, chosen):
    """The first step, worked out from the moments that lie beside the weights."""
    out = str(tmp_path / "out")
    succeed(
        flags
        + ["--do_train", "--num_train_epochs=0.2", "--warmup_proportion=0"]
        + ["--adam_bias_correction=%s" % chosen, "--output_dir=" + out]
    )
    before, after = weights(out, 0), weights(out, 1)
    name = "bert/pooler/dense/bias"  # Biases do not decay.
    m, v = after[name + "/adam_m"], after[name + "/adam_v"]
    if chosen:
        m, v = m / (1 - 0.9), v / (1 - 0.999)
    expected = before[name] - 1e-3 * m / (np.sqrt(v) + 1e-6)
    np.testing.assert_allclose(after[name], expected, atol=1e-6)
    assert np.abs(after[name] - before[name]).max() > 5e-4
    saved = corpus.read_json(os.path.join(out, "run_settings.json"))
    assert saved["settings"]["adam_bias_correction"] is chosen


# Precision, XLA, threads


def mixed_is_possible():
    try:
        return bool(detect.short_type(detect.find_device()))
    except InputError:
        return False


def scores(directory):
    lines = read(directory, "eval_results.txt").splitlines()
    return {name: float(value) for name, value in (line.split(" = ") for line in lines)}


def test_mixed_precision(flags, trained, tmp_path):
    """Trains and scores as in float32 but for rounding, or says why it cannot."""
    directory = str(tmp_path / "mixed")
    arguments = flags + ["--do_train=true", "--do_eval=true", "--precision=mixed"]
    run = Run(arguments + ["--output_dir=" + directory])
    if not mixed_is_possible():
        assert run.status == 2 and "--precision=mixed: " in run.err
        assert len(run.err.strip().splitlines()) == 1
        assert not os.path.exists(directory)
        return
    assert run.status == 0, run.err
    assert "Products in " in run.out + run.err
    found, expected = scores(directory), scores(trained[1])
    assert found["eval_loss"] == pytest.approx(expected["eval_loss"], abs=0.02)
    assert found["eval_loss"] != expected["eval_loss"]


def go_on(directory, flags, num_steps, chosen):
    """Trains on in-process, in a precision that this machine need not be fast in."""
    config = model_config.read_config(flag(flags, "bert_config_file"))
    prefix = finding.latest_in(directory)
    examples = records.RecordFile(os.path.join(directory, "train.tf_record"), 40, 32)
    loop.train(
        loop.Training(
            config=config,
            num_labels=2,
            examples=examples._replace(sequence_length=sequence_length(examples.path)),
            batch_size=8,
            hyperparameters=classifier.Hyperparameters(
                1e-4, num_steps, num_warmup_steps=0
            ),
            seed=1,
            output_dir=directory,
            save_steps=100,
            keep_checkpoints=5,
            initial=None,
            resumed=compatibility.read_contents(prefix, config, 2),
            compute=classifier.ComputeOptions(chosen),
        )
    )


def flag(flags, name):
    start = "--%s=" % name
    return next(f[len(start) :] for f in flags if f.startswith(start))


def sequence_length(path):
    record = next(tf.python_io.tf_record_iterator(path))
    feature = tf.train.Example.FromString(record).features.feature
    return len(feature["input_ids"].int64_list.value)


def test_a_training_goes_on_in_another_precision(flags, copy):
    """What a float32 checkpoint lacks begins anew; what another has more is left."""
    go_on(copy, flags, STEPS + 2, mixed_precision.FLOAT16)
    scaled = weights(copy, STEPS + 2)
    assert scaled["loss_scale/scale"] == mixed_precision.INITIAL_SCALE
    assert scaled["loss_scale/good_steps"] == 2
    go_on(copy, flags, STEPS + 4, mixed_precision.FLOAT16)
    assert weights(copy, STEPS + 4)["loss_scale/good_steps"] == 4
    go_on(copy, flags, STEPS + 5, mixed_precision.FLOAT32)
    found = weights(copy, STEPS + 5)
    assert set(scaled) - set(found) == {n for n in scaled if "loss_scale" in n}
    assert found["global_step"] == STEPS + 5


def test_xla_without_a_gpu_is_refused(flags, tmp_path):
    if tf.test.is_gpu_available():
        pytest.skip("here is a GPU")
    directory = str(tmp_path / "out")
    arguments = flags + ["--do_train=true", "--xla=true", "--output_dir=" + directory]
    run = Run(arguments)
    assert run.status == 2
    assert run.err.strip().endswith("leave the flag out")
    assert not os.path.exists(directory)
