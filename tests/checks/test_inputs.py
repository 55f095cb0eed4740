"""The checks of the user's files: what is refused, in what words, what is accepted."""

import json
import os
import tempfile

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from finetuning.checks import inputs
from finetuning.data import label_map
from finetuning.data.tasks import Task
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from tests.support import models

VOCABULARY_SIZE = 200
CONFIG = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
# What Google's published configs of the multilingual and Chinese models hold besides.
PUBLISHED_EXTRAS = {
    "directionality": "bidi",
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
}


class Files:
    """A user's files, found good as they are made; to be spoiled by tests."""

    def __init__(self, directory):
        self.directory = directory
        self.data_dir = self.path("MRPC")
        os.mkdir(self.data_dir)
        for name in ("train.tsv", "dev.tsv", "test.tsv"):
            open(os.path.join(self.data_dir, name), "w").close()
        self.write_config(CONFIG)
        self.write_vocabulary(VOCABULARY_SIZE)

    def path(self, *names):
        return os.path.join(str(self.directory), *names)

    def write(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def write_config(self, values):
        return self.write("config.json", json.dumps(values).encode("utf-8"))

    def write_vocabulary(self, size, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]")):
        tokens = list(special) + ["t%d" % n for n in range(size - len(special))]
        return self.write("vocab.txt", "\n".join(tokens + [""]).encode("utf-8"))

    def write_checkpoint(self, prefix, left_out=(), slots=False, step=None):
        config = models.modeling.BertConfig.from_dict(CONFIG)
        values = {}
        for name, shape in compatibility.model_shapes(config, 2).items():
            if name not in left_out:
                values[name] = np.zeros(shape, np.float32)
            if slots:
                values[name + "/adam_m"] = np.zeros(shape, np.float32)
                values[name + "/adam_v"] = np.zeros(shape, np.float32)
        if step is not None:
            values["global_step"] = np.int64(step)
        models.save_checkpoint(prefix, values)
        return prefix

    def write_training(self, **changes):
        """A checkpoint in the output directory, under the `checkpoint` file."""
        directory = self.path("output")
        prefix = self.write_checkpoint(
            os.path.join(directory, "model.ckpt-7"), **changes
        )
        with open(os.path.join(directory, "checkpoint"), "w") as file:
            file.write('model_checkpoint_path: "model.ckpt-7"\n')
        return prefix

    def check(self, **changes):
        values = {
            "task_name": "mrpc",
            "do_train": True,
            "data_dir": self.data_dir,
            "vocab_file": self.path("vocab.txt"),
            "bert_config_file": self.path("config.json"),
            "output_dir": self.path("output"),
            "max_seq_length": 16,
        }
        values.update(changes)
        return inputs.check(Settings(**values))

    def refusal(self, **changes):
        with pytest.raises(InputError) as caught:
            self.check(**changes)
        message = str(caught.value)
        assert "\n" not in message
        return message


@pytest.fixture
def user(tmp_path):
    return Files(tmp_path)


def named(inputs):
    """Kind and path of each file that the run reads, in their order."""
    return [(source.split, source.path) for source in inputs.data_files]


def test_good_files(user):
    before = sorted(os.listdir(str(user.directory)))
    inputs = user.check()
    assert inputs.task.name == "MRPC"
    assert inputs.config.to_dict() == CONFIG
    assert len(inputs.tokenizer.vocab) == VOCABULARY_SIZE
    assert inputs.tokenizer.basic_tokenizer.do_lower_case is True
    assert named(inputs) == [("train", user.path("MRPC", "train.tsv"))]
    assert (inputs.resumed, inputs.initial, inputs.notes) == (None, None, ())
    assert sorted(os.listdir(str(user.directory))) == before


def test_the_tokenizer_keeps_case_where_it_should(user):
    user.write_vocabulary(VOCABULARY_SIZE, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "T"))
    tokenizer = user.check(do_lower_case=False).tokenizer
    assert tokenizer.basic_tokenizer.do_lower_case is False


# The task's data


def test_unknown_task(user):
    assert user.refusal(task_name="mrcp").startswith("--task_name=mrcp is unknown; ")


def test_the_files_of_all_phases_in_their_order(user):
    inputs = user.check(do_train=True, do_eval=True, do_predict=True)
    assert named(inputs) == [
        ("train", user.path("MRPC", "train.tsv")),
        ("dev", user.path("MRPC", "dev.tsv")),
        ("test", user.path("MRPC", "test.tsv")),
    ]


@pytest.mark.parametrize(
    "phase, file",
    [("do_train", "train.tsv"), ("do_eval", "dev.tsv"), ("do_predict", "test.tsv")],
)
def test_missing_data_file_of_a_phase(user, phase, file):
    user.write_training(slots=True, step=7)
    os.remove(user.path("MRPC", file))
    chosen = dict({"do_train": False}, **{phase: True})
    assert user.refusal(**chosen) == (
        "--data_dir=%s: %s is missing; MRPC needs it" % (user.data_dir, file)
    )
    for other in {"do_train", "do_eval", "do_predict"} - {phase}:
        user.check(**dict({"do_train": False}, **{other: True}))


def test_data_directory_that_is_none(user):
    path = user.path("none")
    assert user.refusal(data_dir=path) == "--data_dir=%s is not a directory" % path
    path = user.path("vocab.txt")
    assert user.refusal(data_dir=path) == "--data_dir=%s is not a directory" % path


def test_directory_in_the_place_of_a_data_file(user):
    os.remove(user.path("MRPC", "train.tsv"))
    os.mkdir(user.path("MRPC", "train.tsv"))
    assert user.refusal().startswith("--data_dir=%s: train.tsv" % user.data_dir)


def test_task_without_a_test_file(user):
    os.mkdir(user.path("MRPC", "multinli"))
    for name in ("multinli/multinli.train.zh.tsv", "xnli.dev.tsv"):
        open(user.path("MRPC", name), "w").close()
    assert named(user.check(task_name="XNLI", do_eval=True)) == [
        ("train", user.path("MRPC", "multinli/multinli.train.zh.tsv")),
        ("dev", user.path("MRPC", "xnli.dev.tsv")),
    ]
    assert user.refusal(task_name="XNLI", do_predict=True) == (
        "--task_name=XNLI has no test file; leave out --do_predict"
    )


# The config


@pytest.mark.parametrize("flag", ["bert_config_file", "vocab_file"])
def test_file_that_is_none(user, flag):
    path = user.path("none")
    assert user.refusal(**{flag: path}) == "--%s=%s: no such file" % (flag, path)
    assert user.refusal(**{flag: user.data_dir}) == (
        "--%s=%s is a directory; give a file" % (flag, user.data_dir)
    )


@pytest.mark.parametrize("length", [3, 31, 32])
def test_sequence_length_that_the_model_has_positions_for(user, length):
    user.check(max_seq_length=length)


def test_sequence_length_above_the_models_positions(user):
    assert user.refusal(max_seq_length=33) == (
        "--max_seq_length=33 is more than the model's max_position_embeddings 32 (%s)"
        % user.path("config.json")
    )


# The vocabulary


@pytest.mark.parametrize("size", [201, 400, 197, 100])
def test_vocabulary_of_another_model(user, size):
    path = user.write_vocabulary(size)
    message = user.refusal()
    assert message.startswith("--vocab_file=%s has %d entries" % (path, size))
    assert "vocab_size is 200" in message


@pytest.mark.parametrize("spare", [1, 2])
def test_slightly_short_vocabulary(user, spare):
    user.write_vocabulary(VOCABULARY_SIZE - spare)
    assert user.check().notes == (
        "The vocabulary leaves %d of the model's 200 rows unused" % spare,
    )


def test_notes_on_the_vocabulary_and_the_config(user):
    user.write_config(dict(CONFIG, author="me"))
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "t1", "t1")
    user.write_vocabulary(VOCABULARY_SIZE - 1, special)
    twice, spare, unused = user.check().notes
    assert "1 lines repeat a token of an earlier line, such as 't1'" in twice
    assert spare.startswith("The vocabulary leaves 1 of ")
    assert unused.endswith("not used by this model: author")


def test_casing_that_contradicts_the_models_name(user):
    path = user.path("cased_L-12_H-768_A-12", "bert_model.ckpt")
    message = user.refusal(init_checkpoint=path)
    assert "do_lower_case is True, but the model in %s was trained" % path in message


# The checkpoints


def test_missing_initial_checkpoint(user):
    path = user.path("bert", "bert_model.ckpt")
    assert user.refusal(init_checkpoint=path).startswith(
        "--init_checkpoint=%s: no checkpoint there" % path
    )


def test_initial_checkpoint(user):
    head = ("output_weights", "output_bias")
    prefix = user.write_checkpoint(user.path("bert", "bert_model.ckpt"), head)
    for given in (prefix, prefix + ".index", user.path("bert")):
        inputs = user.check(init_checkpoint=given)
        assert inputs.initial.prefix == prefix
        assert inputs.initial.fresh == head
        assert inputs.resumed is None


def test_initial_checkpoint_of_another_model(user):
    prefix = user.write_checkpoint(user.path("bert", "bert_model.ckpt"))
    user.write_config(dict(CONFIG, intermediate_size=20))
    message = user.refusal(init_checkpoint=prefix)
    assert message.startswith(
        "%s: variable bert/encoder/layer_0/intermediate/dense/kernel has shape "
        "[8, 16], expected [8, 20]" % prefix
    )


def test_initial_checkpoint_of_other_labels(user):
    prefix = user.write_checkpoint(user.path("bert", "bert_model.ckpt"))
    open(user.path("MRPC", "dev_matched.tsv"), "w").close()
    message = user.refusal(task_name="MNLI", init_checkpoint=prefix, do_eval=True)
    assert "variable output_weights has shape [2, 8], expected [3, 8]" in message


@pytest.mark.parametrize("phase", ["do_eval", "do_predict"])
def test_no_weights_at_all(user, phase):
    chosen = {"do_train": False, phase: True}
    assert user.refusal(**chosen) == (
        "--output_dir=%s holds no checkpoint and --init_checkpoint is not given: there "
        "are no weights to use; give --do_train=true or --init_checkpoint"
        % user.path("output")
    )
    prefix = user.write_checkpoint(user.path("bert", "bert_model.ckpt"))
    assert user.check(init_checkpoint=prefix, **chosen).initial.prefix == prefix
    prefix = user.write_training()
    assert user.check(**chosen).resumed.prefix == prefix


def test_training_that_goes_on(user):
    prefix = user.write_training(slots=True, step=7)
    inputs = user.check()
    assert inputs.resumed.prefix == prefix
    assert inputs.resumed.step == 7
    assert inputs.resumed.trainable


def test_training_that_cannot_go_on(user):
    prefix = user.write_training(step=7)
    assert user.refusal() == (
        "--output_dir=%s holds %s, which has no optimiser state: its training cannot "
        "go on; give another --output_dir" % (user.path("output"), prefix)
    )
    assert user.check(do_train=False, do_eval=True).resumed.step == 7


def test_training_of_another_model_in_the_output_directory(user):
    user.write_training(slots=True, step=7)
    user.write_config(dict(CONFIG, max_position_embeddings=16))
    assert "expected [16, 8]" in user.refusal()


# Labels, and the weights that were trained with them


OWN = {
    "task_name": "custom",
    "text_a_column": "text",
    "label_column": "label",
    "data_dir": None,
}
NOT_TRAINING = {"do_train": False, "do_eval": True}


@pytest.fixture
def own(user):
    """A user with data of their own: labels b and a, in two files."""
    for name in ("train", "dev"):
        user.write(name + ".tsv", b"text\tlabel\nA .\tb\nB .\ta\n")
    user.given = dict(
        OWN, train_file=user.path("train.tsv"), eval_file=user.path("dev.tsv")
    )
    return user


def save_labels(directory, *labels):
    os.makedirs(directory, exist_ok=True)
    label_map.save(directory, Task("custom", labels, (), (), (), (), (), "0"))


def test_own_labels_of_a_new_training(own):
    inputs = own.check(**own.given)
    assert inputs.task.labels == ("a", "b")
    assert named(inputs) == [("train", own.path("train.tsv"))]
    assert own.check(**dict(own.given, labels="b,a")).task.labels == ("b", "a")


def test_own_labels_of_a_training_that_goes_on(own):
    own.write_training(slots=True, step=7)
    save_labels(own.path("output"), "b", "a")
    for more in ({}, NOT_TRAINING, {"labels": "b,a"}):
        assert own.check(**dict(own.given, **more)).task.labels == ("b", "a")


@pytest.mark.parametrize("more", [{}, NOT_TRAINING])
def test_labels_in_another_order_than_the_training_has(own, more):
    own.write_training(slots=True, step=7)
    save_labels(own.path("output"), "b", "a")
    assert own.refusal(**dict(own.given, labels="a,b", **more)) == (
        "%s: the weights there were trained with the labels b, a, in this order, and "
        "this run has a, b; give the same --task_name or --labels, or other weights"
        % own.path("output", "labels.json")
    )


def test_labels_of_a_table_in_another_order(user):
    """The order of a task of the table is held against the saved one as well."""
    user.write_training(slots=True, step=7)
    save_labels(user.path("output"), "1", "0")
    assert "were trained with the labels 1, 0, in this order" in user.refusal()
    save_labels(user.path("output"), "0", "1")
    user.check()


def test_old_labels_without_a_checkpoint_are_not_looked_at(own):
    """Whoever deletes the checkpoints begins anew."""
    save_labels(own.path("output"), "x", "y")
    assert own.check(**own.given).task.labels == ("a", "b")


def test_own_labels_beside_the_initial_weights(own):
    prefix = own.write_checkpoint(own.path("tuned", "model.ckpt-9"))
    save_labels(own.path("tuned"), "b", "a")
    given = dict(own.given, init_checkpoint=prefix)
    assert own.check(**dict(given, **NOT_TRAINING)).task.labels == ("b", "a")
    message = own.refusal(**dict(given, labels="a,b", **NOT_TRAINING))
    assert message.startswith(own.path("tuned", "labels.json") + ": the weights there")


def test_training_on_from_weights_of_other_labels_is_said(own):
    prefix = own.write_checkpoint(own.path("tuned", "model.ckpt-9"))
    save_labels(own.path("tuned"), "b", "a")
    given = dict(own.given, init_checkpoint=prefix)
    inputs = own.check(**given)
    assert inputs.task.labels == ("a", "b")
    assert inputs.notes == (
        "%s was trained with the labels b, a; its classifier is taken over all the "
        "same and starts from there" % prefix,
    )
    assert own.check(**dict(given, labels="b,a")).notes == ()


def test_an_encoder_alone_says_nothing_of_labels(own):
    head = ("output_weights", "output_bias")
    prefix = own.write_checkpoint(own.path("tuned", "bert_model.ckpt"), head)
    save_labels(own.path("tuned"), "b", "a")
    assert own.check(**dict(own.given, init_checkpoint=prefix)).notes == ()


def test_labels_that_are_not_known(own):
    prefix = own.write_checkpoint(own.path("tuned", "model.ckpt-9"))
    given = dict(own.given, init_checkpoint=prefix, **NOT_TRAINING)
    assert "the model's labels are not known" in own.refusal(**given)
    assert own.check(**dict(given, labels="b,a")).task.labels == ("b", "a")


def test_a_missing_column_of_ones_own(own):
    assert own.refusal(**dict(own.given, label_column="gold")).startswith(
        "--label_column=gold: %s has no such column" % own.path("train.tsv")
    )


@pytest.mark.parametrize("weights", ["a=1", "a=1,b=0", "often"])
def test_class_weights_that_do_not_fit(own, weights):
    message = own.refusal(**dict(own.given, class_weights=weights))
    assert message.startswith("--class_weights=%s: expected balanced, or " % weights)
    assert message.endswith("such as a=1,b=1")
    own.check(**dict(own.given, class_weights="a=1,b=2"))


def test_class_weights_of_a_regression_of_the_table(user):
    assert user.refusal(task_name="STS-B", class_weights="balanced") == (
        "--class_weights=balanced: the labels are numbers and have no weights; leave "
        "the flag out"
    )


def test_a_missing_half_is_said(user):
    prefix = user.write_checkpoint(
        user.path("bert", "model.ckpt"), ("output_weights", "output_bias")
    )
    open(user.path("MRPC", "dev_matched.tsv"), "w").close()
    given = {"task_name": "MNLI", "init_checkpoint": prefix, "do_eval": True}
    (note,) = user.check(**given).notes
    assert note.startswith("dev_mismatched.tsv is missing in --data_dir=")


# The best weights


def test_best_weights_that_are_not_there(user):
    user.write_training(slots=True, step=7)
    chosen = dict(NOT_TRAINING, keep_best=True)
    assert user.refusal(**chosen) == (
        "--keep_best=true: %s holds no checkpoint; leave the flag out to use the "
        "newest one, or train with it" % user.path("output", "best")
    )
    user.check(do_eval=True, keep_best=True, eval_steps=3)
    best = user.path("output", "best")
    user.write_checkpoint(os.path.join(best, "model.ckpt-5"), step=5)
    with open(os.path.join(best, "checkpoint"), "w") as file:
        file.write('model_checkpoint_path: "model.ckpt-5"\n')
    user.check(**chosen)


# The output directory


def test_output_directory_that_is_a_file(user):
    path = user.path("vocab.txt")
    assert user.refusal(output_dir=path) == (
        "--output_dir=%s is a file; give a directory" % path
    )


def test_output_directory_below_a_file(user):
    path = user.path("vocab.txt", "output")
    assert user.refusal(output_dir=path).startswith("--output_dir=%s" % path)


def test_output_directory_that_is_empty_or_not_there(user):
    user.check(output_dir=user.path("a", "b"))
    assert not os.path.exists(user.path("a"))
    os.mkdir(user.path("output"))
    user.check()


def test_output_directory_that_is_a_dangling_link(user):
    for path in ("link", os.path.join("link", "below")):
        if not os.path.islink(user.path("link")):
            os.symlink(user.path("gone"), user.path("link"))
        assert user.refusal(output_dir=user.path(path)) == (
            "--output_dir=%s: %s is a symbolic link to %s, where nothing is; give "
            "another" % (user.path(path), user.path("link"), user.path("gone"))
        )
    os.mkdir(user.path("gone"))
    user.check(output_dir=user.path("link"))


def test_output_directory_without_the_right_to_write(user, monkeypatch):
    """The nearest directory that is there decides; nothing is tried out in it."""
    asked = []

    def access(path, mode, **_):
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", access)
    path = user.path("a", "b")
    assert user.refusal(output_dir=path) == (
        "--output_dir=%s: no permission to write in %s, or its file system is "
        "read-only; give another directory" % (path, user.path())
    )
    assert asked == [(user.path(), os.W_OK | os.X_OK)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_output_directory_of_another_user():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(InputError, match="no permission to write in"):
                inputs._check_output_dir(os.path.join(directory, "out"))
        finally:
            os.seteuid(0)
        inputs._check_output_dir(os.path.join(directory, "out"))


def test_results_that_would_be_written_over_what_is_read(user):
    """AX's test set is called what GLUE's server calls the predictions for it."""
    names = ("AX.tsv", "predictions.tsv", "rows.tsv")
    for name in names:
        user.write(os.path.join("MRPC", name), b"")
    user.write_checkpoint(user.path("encoder", "model.ckpt"))
    for task, name in (("AX", "AX.tsv"), ("mrpc", "predictions.tsv")):
        chosen = {
            "task_name": task,
            "do_train": False,
            "do_predict": True,
            "predict_file": None if task == "AX" else user.path("MRPC", name),
            "output_dir": user.data_dir,
            "init_checkpoint": user.path("encoder"),
        }
        assert user.refusal(**chosen).startswith(
            "--output_dir=%s: the results would be written over %s, which this run "
            "reads" % (user.data_dir, user.path("MRPC", name))
        )
    chosen["predict_file"] = user.path("MRPC", "rows.tsv")
    user.check(**chosen)


def test_a_training_among_the_weights_that_it_starts_from(user):
    prefix = user.write_checkpoint(user.path("encoder", "bert_model.ckpt"))
    os.remove(user.path("encoder", "checkpoint"))
    chosen = {"init_checkpoint": prefix, "output_dir": user.path("encoder")}
    assert user.refusal(**chosen) == (
        "--output_dir=%s is the directory of --init_checkpoint: the training's "
        "checkpoints would stand among those that it starts from; give another"
        % user.path("encoder")
    )
    user.check(do_train=False, do_eval=True, **chosen)
    user.check(**dict(chosen, output_dir=user.path("encoder", "mrpc")))


def test_a_vocabulary_is_not_written_over(user, tmp_path):
    output = tmp_path / "results"
    output.mkdir()
    vocabulary = output / "test_results.tsv"
    os.rename(user.path("vocab.txt"), str(vocabulary))
    told = user.refusal(vocab_file=str(vocabulary), output_dir=str(output))
    assert "would be written over %s" % vocabulary in told


@pytest.mark.parametrize("name", ["run.log", "eval_results.txt", "train.tf_record"])
def test_a_directory_where_a_file_is_to_be_written(user, tmp_path, name):
    (tmp_path / "results" / name).mkdir(parents=True)
    told = user.refusal(output_dir=str(tmp_path / "results"))
    assert "%s is a directory, and a file of that name" % name in told


@pytest.mark.parametrize("name", ["eval", "best"])
def test_a_file_where_a_directory_is_to_be_made(user, tmp_path, name):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / name).write_text("the user's")
    told = user.refusal(output_dir=str(tmp_path / "results"))
    assert "%s is a file, and a directory of that name" % name in told
    assert (tmp_path / "results" / name).read_text() == "the user's"


def test_a_name_that_is_too_long(user, tmp_path):
    told = user.refusal(output_dir=str(tmp_path / ("a" * 300)))
    assert "give a shorter one" in told
