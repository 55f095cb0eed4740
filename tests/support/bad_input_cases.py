"""The table of bad inputs; bad_inputs.py says how one is made and run."""

import json
import os

from tests.support import corpus
from tests.support.bad_inputs import (
    Case,
    copy,
    cut,
    edit,
    line,
    link,
    make_directory,
    remove,
    replace,
    write,
)

TRAIN, DEV, TEST = "data/train.tsv", "data/dev.tsv", "data/test.tsv"
VOCAB, CONFIG = "vocab.txt", "bert_config.json"
ENCODER = "encoder/bert_model.ckpt"
_GOOD_ROW = "1\t1\t2\tanna paid ben .\tben was paid by anna ."


def _config(**values):
    """Sets keys of the model's config; None: the key goes."""

    def change(content):
        config = dict(json.loads(content.decode("utf-8")), **values)
        kept = {key: value for key, value in config.items() if value is not None}
        return json.dumps(kept).encode("utf-8")

    return edit(CONFIG, change)


def _sorted(content):
    header, *rows = content.decode("utf-8").split("\n")[:-1]
    return "\n".join([header] + sorted(rows) + [""]).encode("utf-8")


def _own(given, content, *columns, name="own.tsv", **more):
    """A file of one's own, with the columns text and label if no others are named."""
    columns = columns or ("--text_a_column=text", "--label_column=label")
    flags = ["--task_name=custom"]
    flags += ["--%s_file=%s" % (each, name) for each in ("train", "eval")]
    return Case(
        "Data of one's own", given, (*flags, *columns), (write(name, content),), **more
    )


def _flags(given, *flags, **more):
    return Case("Flags", given, flags, **more)


def _data(given, *spoil, **more):
    return Case("Data", given, spoil=spoil, **more)


def _vocabulary(given, *spoil, **more):
    return Case("Vocabulary", given, spoil=spoil, **more)


def _model(given, *spoil, **more):
    return Case("Config of the model", given, spoil=spoil, **more)


def _checkpoint(given, *spoil, **more):
    return Case("Checkpoint", given, spoil=spoil, **more)


def _output(given, *spoil, trained=True, **more):
    return Case("Output directory", given, spoil=spoil, trained=trained, **more)


FLAGS = [
    _flags("a misspelt flag", "--lerning_rate=1e-5"),
    _flags("a flag without dashes", "do_predict=true"),
    _flags("a blank behind the backslash at a line's end", " "),
    _flags("a misspelt task", "--task_name=MPRC"),
    _flags("a flag that must be given and is not", without=("vocab_file",)),
    _flags("an unset shell variable", "--init_checkpoint="),
    _flags("a number that is none", "--learning_rate=fast"),
    _flags("a whole number that is none", "--train_batch_size=8.5"),
    _flags("a truth value that is none", "--do_eval=maybe"),
    _flags("a learning rate below 0", "--learning_rate=-1e-5"),
    _flags("a learning rate of 0", "--learning_rate=0"),
    _flags("a learning rate that is no finite number", "--learning_rate=nan"),
    _flags("no epochs", "--num_train_epochs=0"),
    _flags("a warm-up of more than all steps", "--warmup_proportion=1.5"),
    _flags("a batch of nothing", "--train_batch_size=0"),
    _flags("a length that holds no token", "--max_seq_length=2"),
    _flags("a length beyond the model's positions", "--max_seq_length=1024"),
    _flags("a seed below 0", "--random_seed=-1"),
    _flags("a number beyond 31 bits", "--save_checkpoints_steps=99999999999"),
    _flags("an unknown choice", "--precision=float8"),
    _flags("a TPU", "--use_tpu=true"),
    _flags("nothing to do", without=("do_train", "do_eval")),
    _flags("a flag without effect beside the others", "--keep_best=true"),
    _flags("two flags that exclude each other", "--eval_steps=5", "--eval_each_epoch"),
    _flags("a flag of one's own data with a task", "--text_a_column=1"),
    _flags("XLA without a GPU", "--xla=true"),
    _flags("a file of flags that is not there", "--flagfile=mine.flags"),
    _flags(
        "a file of flags that begins with a byte-order mark",
        "--flagfile=mine.flags",
        spoil=(write("mine.flags", "\ufeff--learning_rate=1e-5\n"),),
    ),
    _flags("a name with a line end", "--output_dir=o\nut"),
    _flags("a directory that is not there", "--data_dir=dta"),
    _flags("a file in place of a directory", "--data_dir=vocab.txt"),
    _flags("a file that is not there", "--vocab_file=vocab"),
    _flags("a directory in place of a file", "--bert_config_file=data"),
    _flags("class weights for no label", "--class_weights=yes=2"),
    _flags("a path of an unknown kind", "--vocab_file=foo://vocab.txt"),
    _flags("more steps than can be counted", "--num_train_epochs=1e12"),
]

DATA = [
    _data("a file that is missing", remove(DEV)),
    _data("a directory in its place", remove(DEV), make_directory(DEV)),
    _data("an empty file", write(DEV, "")),
    _data("a header and no row", edit(DEV, lambda c: c.split(b"\n")[0] + b"\n")),
    _data("line ends of old Macs", edit(DEV, lambda c: c.replace(b"\n", b"\r"))),
    _data("a row that lacks columns", line(TRAIN, 3, "1\t1\t2\tanna paid ben .")),
    _data("commas between the columns", line(TRAIN, 3, _GOOD_ROW.replace("\t", ","))),
    _data("an unknown label", line(TRAIN, 3, "2" + _GOOD_ROW[1:])),
    _data("a label with a blank behind it", line(TRAIN, 3, "1 " + _GOOD_ROW[1:])),
    _data("no header", line(TRAIN, 1, None)),
    _data("a line that is empty, before others", line(TRAIN, 3, "")),
    _data(
        "bytes that are not UTF-8",
        line(TRAIN, 3, _GOOD_ROW.encode().replace(b"ben", b"b\xe9n", 1)),
    ),
    _data("a file in UTF-16", edit(TRAIN, lambda c: c.decode().encode("utf-16"))),
    _data("a test file in place of the dev file", copy(TEST, DEV)),
    _data("a test file in place of the training file", copy(TEST, TRAIN)),
    _data(
        "too few examples for one step",
        edit(TRAIN, lambda c: b"\n".join(c.split(b"\n")[:4]) + b"\n"),
        flags=("--num_train_epochs=1",),
    ),
    _data(
        "a labelled file in place of the test file",
        copy(DEV, TEST),
        flags=("--do_predict=true",),
    ),
    _data("NUL in a row", line(TRAIN, 3, _GOOD_ROW + "\0")),
    _data("a file that is packed", write(TRAIN, b"\x1f\x8b\x08\0\0")),
    _data("a spreadsheet", write(TRAIN, b"PK\x03\x04\x14\0\x06\0")),
    _data(
        "a header in a file that has none",
        write(TRAIN, "source\tlabel\tnote\tsentence\n"),
        flags=("--task_name=CoLA",),
    ),
]

OWN = [
    _own("a column that is not there", "texte\tlabel\nben\tyes\nanna\tno\n"),
    _own("a column that is there twice", "text\ttext\tlabel\nben\tx\tyes\n"),
    _own(
        "a header taken for an example",
        "text\tlabel\n" + "ben\tyes\nanna\tno\n" * 5,
        "--text_a_column=1",
        "--label_column=2",
        "--has_header=false",
    ),
    _own(
        "an example taken for a header",
        "ben\tyes\nanna\tno\n" * 5,
        "--text_a_column=1",
        "--label_column=2",
    ),
    _own(
        "a label that is no number, in a regression",
        "text\tlabel\nben\t1\nanna\tthree\n",
        "--text_a_column=text",
        "--label_column=label",
        "--regression=true",
    ),
    _own(
        "a quote that is not closed, in CSV",
        'text,label\n"ben paid,yes\nanna,no\n',
        name="own.csv",
    ),
    _own("semicolons, in CSV", "text;label\nben;yes\n", name="own.csv"),
    _own("one label alone", "text\tlabel\nben\tyes\nanna\tyes\n"),
    _own("a label left empty", "text\tlabel\nben\tyes\nanna\t\n"),
]

VOCABULARY = [
    _vocabulary("an empty file", write(VOCAB, "")),
    _vocabulary("no special tokens", replace(VOCAB, "[SEP]", "sep")),
    _vocabulary("[PAD] not first", replace(VOCAB, "[PAD]\n[UNK]", "[UNK]\n[PAD]")),
    _vocabulary("more entries than rows", edit(VOCAB, lambda c: c + b"more\n")),
    _vocabulary(
        "fewer entries", edit(VOCAB, lambda c: c[: c.rindex(b"\nthanked") + 1])
    ),
    _vocabulary("a blank line too many", edit(VOCAB, lambda c: c + b"\n")),
    _vocabulary("a special token twice", replace(VOCAB, "anna", "[SEP]")),
    _vocabulary(
        "words with capitals, and text lower-cased",
        replace(VOCAB, "anna\nben\ncarla", "Anna\nBen\nCarla"),
    ),
    _vocabulary(
        "words without capitals, and text not lower-cased",
        flags=("--do_lower_case=false",),
    ),
    _vocabulary("bytes that are not UTF-8", line(VOCAB, 6, b"\xff\xfe")),
    _vocabulary("another kind of file", copy(ENCODER + ".index", VOCAB)),
]

MODEL = [
    _model("an empty file", write(CONFIG, "")),
    _model("a file that is cut", cut(CONFIG, 30)),
    _model("no JSON", write(CONFIG, "hidden_size = 8")),
    _model("JSON of another kind", write(CONFIG, "[1, 2]")),
    _model("a key that is missing", _config(hidden_size=None)),
    _model("a key that is misspelt", _config(hiden_size=8, hidden_size=None)),
    _model("a size of 0", _config(num_hidden_layers=0)),
    _model("a size in quotes", _config(hidden_size="8")),
    _model("a size without measure", _config(vocab_size=10**12)),
    _model("layers without measure", _config(num_hidden_layers=10**9)),
    _model("a number that is none", _config(initializer_range=float("nan"))),
    _model("a key twice", replace(CONFIG, "{", '{"hidden_size": 8,')),
    _model("brackets without end", write(CONFIG, "[" * 100000)),
    _model("heads that do not divide the size", _config(num_attention_heads=7)),
    _model("an unknown activation", _config(hidden_act="swish")),
    _model("a dropout that is no rate", _config(hidden_dropout_prob=1.5)),
    _model("one kind of segment", _config(type_vocab_size=1)),
    _model("more layers than the checkpoint has", _config(num_hidden_layers=9)),
    _model("fewer layers than the checkpoint has", _config(num_hidden_layers=1)),
    _model("another width than the checkpoint's", _config(intermediate_size=40)),
]

CHECKPOINT = [
    _checkpoint("one that is not there", flags=("--init_checkpoint=encoder/model",)),
    _checkpoint("a directory without one", flags=("--init_checkpoint=data",)),
    _checkpoint("an index that is cut", cut(ENCODER + ".index", 100)),
    _checkpoint("an index that is empty", write(ENCODER + ".index", "")),
    _checkpoint("an index that is none", write(ENCODER + ".index", "x" * 300)),
    _checkpoint(
        "an index with places that are not in it",
        edit(
            ENCODER + ".index",
            lambda c: c[:-48] + b"\xff" * 9 + b"\1" + b"\0" * 30 + c[-8:],
        ),
    ),
    _checkpoint("data that is missing", remove(ENCODER + ".data-00000-of-00001")),
    _checkpoint("data that is cut", cut(ENCODER + ".data-00000-of-00001", 999)),
    _checkpoint(
        "one byte of the data that is another",
        edit(ENCODER + ".data-00000-of-00001", lambda c: c[:99] + b"?" + c[100:]),
    ),
    _checkpoint(
        "no weights to use",
        without=("do_train", "init_checkpoint"),
    ),
    _checkpoint(
        "a classifier for other labels",
        flags=("--task_name=STS-B", "--init_checkpoint=out", "--output_dir=new"),
        trained=True,
    ),
]

OUTPUT = [
    _output("a file", flags=("--output_dir=vocab.txt",), trained=False),
    _output("below a file", flags=("--output_dir=vocab.txt/out",), trained=False),
    _output(
        "a link to nothing",
        link("gone", "mine"),
        flags=("--output_dir=mine",),
        trained=False,
    ),
    _output("a training at another rate", flags=("--learning_rate=2e-3",)),
    _output(
        "a training with other flags in many places",
        flags=("--train_batch_size=4", "--max_seq_length=12", "--random_seed=12"),
    ),
    _output("a training of another task", flags=("--task_name=QNLI",)),
    _output("a training on other rows", line(TRAIN, 3, _GOOD_ROW)),
    _output("a training with another vocabulary", replace(VOCAB, "anna", "anne")),
    _output("a training from other weights", without=("init_checkpoint",)),
    _output(
        "changes allowed where nothing is trained",
        flags=("--allow_changes=true",),
        without=("do_train",),
    ),
    _output(
        "that of the initial weights",
        flags=("--output_dir=encoder",),
        trained=False,
    ),
    _output(
        "results over an input",
        write("data/AX.tsv", "index\tsentence1\tsentence2\n0\tanna\tben\n"),
        flags=("--task_name=AX", "--do_predict=true", "--output_dir=data"),
        without=("do_train", "do_eval"),
        trained=False,
    ),
    _output(
        "a directory where a result is to be written",
        make_directory("out/eval_results.txt"),
        trained=False,
    ),
    _output(
        "a file where a directory is to be made",
        write("out/eval", ""),
        trained=False,
    ),
    _output(
        "a pipe in the place of a checkpoint's list",
        remove("out/checkpoint"),
        lambda directory: os.mkfifo(os.path.join(directory, "out", "checkpoint")),
    ),
    _output("a damaged file of settings", write("out/run_settings.json", "{")),
    _output("a damaged file of labels", write("out/labels.json", "[]")),
    _output(
        "the original's, with a checkpoint that its file `checkpoint` does not name",
        remove("out/checkpoint"),
        remove("out/run_settings.json"),
    ),
    _output(
        "damaged checkpoints alone",
        cut("out/model.ckpt-15.data-00000-of-00001", 999),
        remove("out/model.ckpt-12.index"),
    ),
    _output(
        "the best weights asked for, none kept",
        flags=("--keep_best=true",),
        without=("do_train",),
    ),
]


def _odd(given, note, *spoil, **more):
    return Case("Accepted, and said", given, spoil=spoil, note=note, **more)


# What is odd but legal, with words of the line that says so.
ODD = [
    _odd("surplus columns", "what is surplus", line(TRAIN, 3, _GOOD_ROW + "\tx")),
    _odd("a token twice", "a token that an earlier", replace(VOCAB, "anna", "ben")),
    _odd("a key that the model does not use", "not used", _config(author="me")),
    _odd("sentences without a word", "have no text", line(TRAIN, 3, "1\t1\t2\t\t")),
    _odd(
        "a quarter of the rows",
        "are missing",
        edit(TRAIN, lambda c: b"\n".join(c.split(b"\n")[:11]) + b"\n"),
    ),
    _odd("rows sorted by label", "sorted", edit(TRAIN, _sorted)),
    _odd("text that does not fit", "are cut to", flags=("--max_seq_length=8",)),
    _odd(
        "a newest checkpoint that is damaged",
        "DAMAGED",
        cut("out/model.ckpt-15.data-00000-of-00001", 999),
        trained=True,
    ),
    _odd(
        "a file `checkpoint` that is damaged",
        "DAMAGED",
        write("out/checkpoint", "x"),
        without=("do_train",),
        trained=True,
    ),
    _odd(
        "a training that was begun otherwise, allowed",
        "begun otherwise",
        flags=("--learning_rate=2e-3", "--allow_changes=true"),
        trained=True,
    ),
    _odd("a training that has ended", "NOTHING LEFT", trained=True),
    _odd("no initial checkpoint", "random weights", without=("init_checkpoint",)),
    _odd(
        "weights whose classifier is not trained",
        "UNTRAINED",
        without=("do_train",),
    ),
    _odd(
        "scoring the training set",
        "THE TRAINING SET",
        flags=("--eval_file=data/train.tsv",),
        without=("do_train",),
        trained=True,
    ),
    _odd(
        "an evaluation with another vocabulary of the same size",
        "trained otherwise",
        edit(VOCAB, lambda c: corpus.reverse_words(c.decode("utf-8")).encode("utf-8")),
        without=("do_train",),
        trained=True,
    ),
    _odd(
        "an evaluation with another config of the same shapes",
        "trained otherwise",
        _config(hidden_act="relu"),
        without=("do_train",),
        trained=True,
    ),
    _odd("flags that served TPUs", "served TPUs", flags=("--num_tpu_cores=8",)),
]

CASES = FLAGS + DATA + OWN + VOCABULARY + MODEL + CHECKPOINT + OUTPUT
