"""The checks of a run's files: what is read, refused or noted; config: see there."""

import dataclasses
import json
import os

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.checks import inputs
from finetuning.data import label_map, tasks
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from tests.support import models

CONFIG = models.tiny_config(
    vocab_size=200, hidden_size=8, num_hidden_layers=1, num_attention_heads=2
).to_dict()
HEAD = ("output_weights", "output_bias")
EVALUATION = {"do_train": False, "do_eval": True}


class Files:
    """A user's files, which pass all checks until a test changes them."""

    def __init__(self, directory):
        self.directory = directory
        for name in ("train.tsv", "dev.tsv", "test.tsv"):
            self.write("MRPC/" + name, "")
        self.write_config()
        self.write_vocabulary(200)

    def path(self, *names):
        return os.path.join(str(self.directory), *names)

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def write_config(self, **changes):
        return self.write("config.json", json.dumps(dict(CONFIG, **changes)))

    def write_vocabulary(self, size, words=()):
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
        tokens += ["t%d" % n for n in range(len(tokens), size)]
        return self.write("vocab.txt", "\n".join(tokens) + "\n")

    def write_checkpoint(self, *names, without=(), slots=False, step=None):
        """A checkpoint of the model, which the `checkpoint` file names."""
        config = models.modeling.BertConfig.from_dict(CONFIG)
        values = {
            name: np.zeros(shape, np.float32)
            for name, shape in compatibility.model_shapes(config, 2).items()
            if name not in without
        }
        if slots:
            for name in list(values):
                values[name + "/adam_m"] = values[name + "/adam_v"] = values[name]
        if step is not None:
            values["global_step"] = np.int64(step)
        models.save_checkpoint(self.path(*names), values)
        return self.path(*names)

    def write_run(self):
        """A training run in the output directory that can be resumed at step 7."""
        return self.write_checkpoint("output", "model.ckpt-7", slots=True, step=7)

    def check(self, **changes):
        values = {
            "task_name": "mrpc",
            "do_train": True,
            "data_dir": self.path("MRPC"),
            "vocab_file": self.path("vocab.txt"),
            "bert_config_file": self.path("config.json"),
            "output_dir": self.path("output"),
            "max_seq_length": 16,
        }
        values.update(changes)
        return inputs.check_inputs(Settings(**values), OutputDir(values["output_dir"]))

    def refusal(self, **changes):
        with pytest.raises(InputError) as caught:
            self.check(**changes)
        message = str(caught.value)
        assert "\n" not in message
        return message


@pytest.fixture
def user(tmp_path):
    return Files(tmp_path)


def names_of(found):
    """Split and file name of each file that the run reads, in their order."""
    return [(file.split, os.path.basename(file.path)) for file in found.data_files]


def test_good_files(user):
    before = sorted(os.listdir(str(user.directory)))
    found = user.check()
    assert found.task.name == "MRPC"
    assert found.config.to_dict() == CONFIG
    assert len(found.tokenizer.vocab) == 200
    assert found.tokenizer.basic_tokenizer.do_lower_case is True
    assert names_of(found) == [("train", "train.tsv")]
    assert (found.resumed, found.initial, found.notes) == (None, None, ())
    assert sorted(os.listdir(str(user.directory))) == before


# The task's data


def test_the_files_of_all_phases(user):
    files = [("train", "train.tsv"), ("dev", "dev.tsv"), ("test", "test.tsv")]
    assert names_of(user.check(do_eval=True, do_predict=True)) == files


@pytest.mark.parametrize(
    "phase, file",
    [("do_train", "train.tsv"), ("do_eval", "dev.tsv"), ("do_predict", "test.tsv")],
)
def test_a_missing_data_file(user, phase, file):
    """It is missed by the phase that reads it, and by no other."""
    user.write_run()
    os.remove(user.path("MRPC", file))
    message = user.refusal(**dict({"do_train": False}, **{phase: True}))
    assert "--data_dir=" + user.path("MRPC") in message and file in message
    for other in {"do_train", "do_eval", "do_predict"} - {phase}:
        user.check(**dict({"do_train": False}, **{other: True}))
    os.mkdir(user.path("MRPC", file))
    assert file in user.refusal(**dict({"do_train": False}, **{phase: True}))


def test_a_task_without_a_test_set(user):
    user.write("MRPC/multinli/multinli.train.zh.tsv", "")
    user.write("MRPC/xnli.dev.tsv", "")
    found = names_of(user.check(task_name="XNLI", do_eval=True))
    assert found == [("train", "multinli.train.zh.tsv"), ("dev", "xnli.dev.tsv")]
    message = user.refusal(task_name="XNLI", do_predict=True)
    assert "--task_name=XNLI" in message and "--do_predict" in message


def test_a_missing_half(user):
    user.write_checkpoint("bert", "model.ckpt", without=HEAD)
    user.write("MRPC/dev_matched.tsv", "")
    given = dict(EVALUATION, task_name="MNLI", init_checkpoint=user.path("bert"))
    (note,) = user.check(**given).notes
    assert "dev_mismatched.tsv" in note


# The config and the vocabulary


def test_the_sequence_length_is_at_most_the_number_of_positions(user):
    user.check(max_seq_length=20)
    message = user.refusal(max_seq_length=21)
    assert "--max_seq_length=21" in message and user.path("config.json") in message


def test_notes_on_the_vocabulary_and_the_config(user):
    user.write_config(author="me")
    user.write_vocabulary(199, words=["t1", "t1"])
    repeated, spare, unused = user.check().notes
    assert "t1" in repeated and "200" in spare and "author" in unused


# The checkpoints


def test_an_initial_checkpoint(user):
    prefix = user.write_checkpoint("bert", "bert_model.ckpt", without=HEAD)
    for given in (prefix, prefix + ".index", user.path("bert")):
        found = user.check(init_checkpoint=given)
        assert (found.initial.prefix, found.initial.fresh) == (prefix, HEAD)
        assert found.resumed is None


@pytest.mark.parametrize("directory", ["bert", "cased_L-12_H-768_A-12"])
def test_an_initial_checkpoint_that_does_not_fit(user, directory):
    path = user.path(directory, "bert_model.ckpt")
    message = user.refusal(init_checkpoint=path)
    expected = "--init_checkpoint=" if directory == "bert" else "--do_lower_case"
    assert expected in message and path in message
    os.rename(
        os.path.dirname(user.write_checkpoint("tmp", "bert_model.ckpt")),
        os.path.dirname(path),
    )
    # The name of its directory counts where that is given.
    if directory != "bert":
        message = user.refusal(init_checkpoint=os.path.dirname(path))
        assert "--do_lower_case" in message


def test_an_initial_checkpoint_of_another_model(user):
    prefix = user.write_checkpoint("bert", "bert_model.ckpt")
    user.write("MRPC/dev_matched.tsv", "")
    message = user.refusal(task_name="MNLI", init_checkpoint=prefix, **EVALUATION)
    assert "output_weights" in message and "[3, 8]" in message
    user.write_config(intermediate_size=20)
    message = user.refusal(init_checkpoint=prefix)
    assert message.startswith(prefix) and "[8, 24]" in message and "[8, 20]" in message


@pytest.mark.parametrize("phase", ["do_eval", "do_predict"])
def test_an_evaluation_needs_weights(user, phase):
    chosen = {"do_train": False, phase: True}
    message = user.refusal(**chosen)
    assert "--output_dir=" + user.path("output") in message
    assert "--init_checkpoint" in message
    prefix = user.write_checkpoint("bert", "bert_model.ckpt")
    found = user.check(init_checkpoint=prefix, **chosen)
    assert found.initial.prefix == prefix
    (note,) = found.notes
    assert note.startswith("--init_checkpoint=%s has no run_settings.json" % prefix)
    latest = user.write_run()
    found = user.check(init_checkpoint=prefix, **chosen)
    assert found.resumed.prefix == latest
    precedence, nothing_saved = found.notes
    assert prefix in precedence and latest in precedence
    assert user.path("output") + " has no run_settings.json" in nothing_saved


def test_a_run_that_resumes(user):
    prefix = user.write_run()
    resumed = user.check().resumed
    assert (resumed.prefix, resumed.step, resumed.trainable) == (prefix, 7, True)
    user.write_config(max_position_embeddings=16)
    assert "[16, 8]" in user.refusal()


def test_a_run_without_optimiser_state_cannot_be_resumed(user):
    prefix = user.write_checkpoint("output", "model.ckpt-7", step=7)
    message = user.refusal()
    assert prefix in message and "another --output_dir" in message
    assert user.check(**EVALUATION).resumed.step == 7


def test_a_latest_checkpoint_that_vanishes_while_it_is_read(user, monkeypatch):
    """A training run beside this one has replaced it: the next one is read."""
    user.write_run()
    read = compatibility.read_contents

    def vanish(prefix, *others):
        monkeypatch.setattr(compatibility, "read_contents", read)
        user.write_checkpoint("output", "model.ckpt-9", slots=True, step=9)
        raise compatibility.VanishedError(prefix)

    monkeypatch.setattr(compatibility, "read_contents", vanish)
    assert user.check(**EVALUATION).resumed.step == 9


def test_best_weights_that_are_not_there(user):
    user.write_run()
    chosen = dict(EVALUATION, keep_best=True)
    message = user.refusal(**chosen)
    assert "--keep_best" in message and user.path("output", "best") in message
    user.check(do_eval=True, keep_best=True, eval_steps=3)
    user.write_checkpoint("output", "best", "model.ckpt-5", step=5)
    user.check(**chosen)


# Labels, and the weights that were trained with them


@pytest.fixture
def own(user):
    """A user with data of their own: the labels b and a."""
    for name in ("train", "dev"):
        user.write(name + ".tsv", "text\tlabel\nA .\tb\nB .\ta\n")
    check = user.check
    user.given = {
        "task_name": "custom",
        "text_a_column": "text",
        "label_column": "label",
        "data_dir": None,
        "train_file": user.path("train.tsv"),
        "eval_file": user.path("dev.tsv"),
    }
    user.check = lambda **changes: check(**dict(user.given, **changes))
    return user


def save_labels(directory, *labels):
    os.makedirs(directory, exist_ok=True)
    task = dataclasses.replace(tasks.find_task("MRPC"), labels=labels)
    label_map.save(directory, task)


def test_labels_of_a_new_run(own):
    save_labels(own.path("output"), "x", "y")  # No checkpoint has them.
    found = own.check()
    assert found.task.labels == ("a", "b")
    assert names_of(found) == [("train", "train.tsv")]
    assert own.check(labels="b,a").task.labels == ("b", "a")


@pytest.mark.parametrize("changes", [{}, EVALUATION])
def test_labels_of_a_run_that_resumes(own, changes):
    own.write_run()
    save_labels(own.path("output"), "b", "a")
    for more in (changes, dict(changes, labels="b,a")):
        assert own.check(**more).task.labels == ("b", "a")
    message = own.refusal(labels="a,b", **changes)
    assert message.startswith(own.path("output", "labels.json"))
    assert "b, a" in message and "a, b" in message and "--labels" in message


def test_labels_of_a_built_in_task_in_another_order(user):
    user.write_run()
    save_labels(user.path("output"), "1", "0")
    assert user.path("output", "labels.json") in user.refusal()
    save_labels(user.path("output"), "0", "1")
    user.check()


def test_labels_of_the_initial_weights(own):
    prefix = own.write_checkpoint("tuned", "model.ckpt-9")
    evaluation = dict(EVALUATION, init_checkpoint=prefix)
    message = own.refusal(**evaluation)
    assert "labels" in message and "--labels" in message  # They are not known.
    assert own.check(labels="b,a", **evaluation).task.labels == ("b", "a")
    save_labels(own.path("tuned"), "b", "a")
    assert own.check(**evaluation).task.labels == ("b", "a")
    message = own.refusal(labels="a,b", **evaluation)
    assert message.startswith(own.path("tuned", "labels.json"))
    # A training run may start from them all the same.
    found = own.check(init_checkpoint=prefix)
    assert found.task.labels == ("a", "b")
    (note,) = found.notes
    assert prefix in note and "b, a" in note
    assert own.check(init_checkpoint=prefix, labels="b,a").notes == ()
    # A checkpoint without a classifier has no labels.
    encoder = own.write_checkpoint("tuned", "bert_model.ckpt", without=HEAD)
    assert own.check(init_checkpoint=encoder).notes == ()


# The output directory


def test_an_output_directory_that_cannot_be_one(user, monkeypatch):
    os.symlink(user.path("gone"), user.path("link"))
    for names in (["vocab.txt"], ["vocab.txt", "below"], ["link"], ["link", "below"]):
        path = user.path(*names)
        assert "--output_dir=" + path in user.refusal(output_dir=path)
    assert "shorter" in user.refusal(output_dir=user.path("a" * 300))
    os.mkdir(user.path("gone"))
    user.check(output_dir=user.path("link"))
    user.check(output_dir=user.path("a", "b"))
    assert not os.path.exists(user.path("a"))
    # The nearest directory that exists decides; nothing is tried out in it.
    asked = []
    monkeypatch.setattr(
        os, "access", lambda path, mode, **_: asked.append((path, mode))
    )
    message = user.refusal(output_dir=user.path("a", "b"))
    assert "--output_dir=" + user.path("a", "b") in message
    assert "permission" in message and user.path() in message
    assert asked == [(user.path(), os.W_OK | os.X_OK)]


@pytest.mark.parametrize(
    "task, file", [("AX", "AX.tsv"), ("mrpc", "predictions.tsv"), ("mrpc", "rows.tsv")]
)
def test_results_that_would_overwrite_what_is_read(user, task, file):
    """AX's test set has the name that GLUE's server expects for its predictions."""
    path = user.write("MRPC/" + file, "")
    user.write_checkpoint("encoder", "model.ckpt")
    chosen = {
        "task_name": task,
        "do_train": False,
        "do_predict": True,
        "predict_file": None if task == "AX" else path,
        "output_dir": user.path("MRPC"),
        "init_checkpoint": user.path("encoder"),
    }
    if file == "rows.tsv":
        user.check(**chosen)
    else:
        message = user.refusal(**chosen)
        assert "--output_dir=" + user.path("MRPC") in message and path in message


def test_a_vocabulary_that_would_be_overwritten(user):
    vocabulary = user.write("results/test_results.tsv", "")
    os.rename(user.path("vocab.txt"), vocabulary)
    chosen = {"vocab_file": vocabulary, "output_dir": user.path("results")}
    assert vocabulary in user.refusal(**chosen)


@pytest.mark.parametrize("name", ["run.log", "eval_results.txt", "train.tf_record"])
def test_a_directory_where_a_file_is_written(user, name):
    os.makedirs(user.path("results", name))
    message = user.refusal(output_dir=user.path("results"))
    assert user.path("results", name) in message


@pytest.mark.parametrize("name", ["eval", "best"])
def test_a_file_where_a_directory_is_created(user, name):
    path = user.write("results/" + name, "the user's")
    assert path in user.refusal(output_dir=user.path("results"))


def test_a_run_in_the_directory_of_its_initial_weights(user):
    """Its checkpoints would mix with those that it starts from."""
    prefix = user.write_checkpoint("encoder", "bert_model.ckpt")
    os.remove(user.path("encoder", "checkpoint"))
    chosen = {"init_checkpoint": prefix, "output_dir": user.path("encoder")}
    assert "--output_dir=" + user.path("encoder") in user.refusal(**chosen)
    user.check(**dict(chosen, **EVALUATION))
    user.check(**dict(chosen, output_dir=user.path("encoder", "mrpc")))


def test_checkpoints_that_no_file_names(user):
    """A new run would replace them."""
    user.write_run()
    user.write_checkpoint("output", "model.ckpt-12", slots=True, step=12)
    os.remove(user.path("output", "checkpoint"))
    message = user.refusal()
    assert "--output_dir=" + user.path("output") in message
    assert "'checkpoint'" in message and "model.ckpt-12" in message
