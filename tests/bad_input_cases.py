"""The table of bad inputs; bad_inputs.py says how one is made and run."""

import json

from bad_inputs import (
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
    _flags("a directory that is not there", "--data_dir=dta"),
    _flags("a file in place of a directory", "--data_dir=vocab.txt"),
    _flags("a file that is not there", "--vocab_file=vocab"),
    _flags("a directory in place of a file", "--bert_config_file=data"),
    _flags("class weights for no label", "--class_weights=yes=2"),
    _flags("more steps than can be counted", "--num_train_epochs=1e12"),
]

DATA = [
    _data("a file that is missing", remove(DEV)),
    _data("a directory in its place", remove(DEV), make_directory(DEV)),
    _data("an empty file", write(DEV, "")),
    _data("a header and no row", edit(DEV, lambda c: c.split(b"\n")[0] + b"\n")),
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
        "a quote that is not closed, in CSV of one's own",
        write("own.csv", 'text,label\n"ben paid,yes\nanna,no\n'),
        flags=(
            "--task_name=custom",
            "--train_file=own.csv",
            "--eval_file=own.csv",
            "--text_a_column=text",
            "--label_column=label",
        ),
    ),
    _data(
        "a column that one's own file lacks",
        write("own.tsv", "text\tlabel\nben\tyes\nanna\tno\n"),
        flags=(
            "--task_name=custom",
            "--train_file=own.tsv",
            "--eval_file=own.tsv",
            "--text_a_column=txt",
            "--label_column=label",
        ),
    ),
]

VOCABULARY = [
    _vocabulary("an empty file", write(VOCAB, "")),
    _vocabulary("no special tokens", replace(VOCAB, "[SEP]", "sep")),
    _vocabulary("[PAD] not first", replace(VOCAB, "[PAD]\n[UNK]", "[UNK]\n[PAD]")),
    _vocabulary("more entries than rows", edit(VOCAB, lambda c: c + b"more\n")),
    _vocabulary(
        "fewer entries", edit(VOCAB, lambda c: c[: c.rindex(b"\nthanked") + 1])
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

CASES = FLAGS + DATA + VOCABULARY + MODEL + CHECKPOINT + OUTPUT
