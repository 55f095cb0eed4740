"""The table of bad inputs; bad_inputs.py says how one is made and run."""

import json

from tests.support import corpus, models
from tests.support.bad_inputs import (
    Change,
    cases,
    copy,
    edit,
    hard_link,
    line,
    link,
    make_directory,
    make_pipe,
    remove,
    replace,
    truncate,
    write,
)

TRAIN, DEV, TEST = "data/train.tsv", "data/dev.tsv", "data/test.tsv"
VOCAB, CONFIG = "vocab.txt", "bert_config.json"
INDEX = "encoder/bert_model.ckpt.index"
WEIGHTS = "encoder/bert_model.ckpt.data-00000-of-00001"
LATEST = "out/model.ckpt-15.data-00000-of-00001"
_GOOD_ROW = "1\t1\t2\tanna paid ben .\tben was paid by anna ."
_NUMBERS = ("--text_a_column=1", "--label_column=2")


def _config(**values):
    """Sets keys of the model's config; None removes a key."""

    def change(content):
        config = dict(json.loads(content.decode()), **values)
        kept = {key: value for key, value in config.items() if value is not None}
        return json.dumps(kept).encode()

    return edit(CONFIG, change)


def _own_link(path):
    return link("../vocab.txt", path)


def _first_lines(path, count):
    return edit(path, lambda content: b"\n".join(content.split(b"\n")[:count]) + b"\n")


def _sort_rows(content):
    header, *rows = content.split(b"\n")[:-1]
    return b"\n".join([header, *sorted(rows), b""])


def _quote_texts(content):
    header, *rows = content.decode().split("\n")[:-1]
    cells = [row.split("\t") for row in rows]
    quoted = ["\t".join([*c[:3], *('"%s"' % text for text in c[3:])]) for c in cells]
    return "\n".join([header, *quoted, ""]).encode()


def _corrupt_footer(content):
    return content[:-48] + b"\xff" * 9 + b"\1" + b"\0" * 30 + content[-8:]


def _names(*renaming):
    """Saves the encoder with other names: those that each of the functions returns."""

    def apply():
        arrays = models.read_checkpoint("encoder/bert_model.ckpt")
        renamed = {rename(n): arrays[n] for rename in renaming for n in arrays}
        models.save_checkpoint("encoder/bert_model.ckpt", renamed)

    return Change(INDEX, apply)


def _own(given, content, *parts, name="own.tsv"):
    """A row of the table: a file of the user's own task, and its flags."""
    flags = ["--task_name=custom", "--train_file=" + name, "--eval_file=" + name]
    if parts[:2] != _NUMBERS:
        flags += ["--text_a_column=text", "--label_column=label"]
    return (given, write(name, content), *flags, *parts)


def _says(*texts, **options):
    return dict(options, says=texts)


def _without(*names, **options):
    return dict(options, without=names)


FLAGS = cases(
    "Flags",
    ("a misspelt flag", "--lerning_rate=1e-5", _says("did you mean --learning_rate?")),
    ("a flag of another program", "--lr=1e-5", _says("did you mean --learning_rate?")),
    ("an unknown flag", "--flavour=x", _says("--flavour is not a flag; see --help")),
    ("a flag without dashes", "do_predict=true", _says("'do_predict=true'", "--name=")),
    ("a blank after a backslash at the end of a line", " ", _says("backslash")),
    ("a misspelt task", "--task_name=MPRC", _says("=MPRC", "did you mean MRPC?")),
    ("a required flag left out", _without("vocab_file", says=("--vocab_file",))),
    ("an unset shell variable", "--init_checkpoint=", _says("--init_checkpoint= is ")),
    ("a float that is not a number", "--learning_rate=fast", _says("_rate=fast")),
    ("an integer that is not whole", "--train_batch_size=8.5", _says("_size=8.5")),
    (
        "a batch that cannot be divided",
        "--accumulate_steps=3",
        _says("--accumulate_steps=3", "--train_batch_size=8", "1, 2, 4, 8"),
    ),
    (
        "several workers, but not which this is",
        "--workers=10.0.0.1:2300,10.0.0.2:2300",
        _says("--workers", "--worker_index", "0 to 1"),
    ),
    (
        "a worker without a port",
        "--workers=10.0.0.1,10.0.0.2:2300",
        "--worker_index=0",
        _says("--workers", "'10.0.0.1'", "host:port"),
    ),
    (
        "a worker that is not in the list",
        "--workers=10.0.0.1:2300,10.0.0.2:2300",
        "--worker_index=2",
        _says("--worker_index=2", "2 workers"),
    ),
    ("the index of no worker", "--worker_index=1", _says("--workers")),
    ("a boolean that is neither", "--do_eval=maybe", _says("=maybe", "true or false")),
    ("a negative learning rate", "--learning_rate=-1e-5", _says("_rate=-1e-05")),
    ("a learning rate that is not finite", "--learning_rate=nan"),
    ("a learning rate that is 0 in float32", "--learning_rate=1e-46"),
    ("no epochs", "--num_train_epochs=0"),
    ("a warm-up longer than the run", "--warmup_proportion=1.5"),
    ("a length with no room for tokens", "--max_seq_length=2"),
    ("a length beyond the model's positions", "--max_seq_length=1024"),
    ("an integer beyond 31 bits", "--save_checkpoints_steps=99999999999"),
    ("an unknown choice", "--precision=float8", _says("float8", "float32 or mixed")),
    ("a TPU", "--use_tpu=true"),
    ("nothing to do", _without("do_train", "do_eval", says=("--do_train",))),
    ("a flag that another one needs", "--keep_best=true", _says("--keep", "--eval_s")),
    (
        "a report without an evaluation",
        "--report=true",
        _without("do_eval", says=("--report=true", "--do_eval=true")),
    ),
    ("flags that exclude each other", "--eval_steps=5", "--eval_each_epoch"),
    ("a flag for your own data with a task", "--text_a_column=1"),
    ("a missing flag file", "--flagfile=mine.flags", _says("mine.flags")),
    ("a pipe as flag file", "--flagfile=mine.flags", make_pipe("mine.flags")),
    (
        "a flag file with the backslashes of a shell",
        "--flagfile=mine.flags",
        write("mine.flags", "--learning_rate=1e-5 \\\n"),
        _says("mine.flags, line 1", "backslash"),
    ),
    (
        "a flag file that the run would replace",
        "--flagfile=out/run.flags",
        write("out/run.flags", "--learning_rate=1e-5\n"),
    ),
    (
        "a dash of a word processor",
        "\u2013learning_rate=1e-5",
        _says("EN DASH", "--learning_rate"),
    ),
    (
        "a full-width equals sign",
        "--learning_rate\uff1d1e-5",
        _says("FULLWIDTH EQUALS SIGN", "write --learning_rate=1e-5"),
    ),
    ("a minus sign", "--learning_rate=1e\u22125", _says("MINUS SIGN")),
    ("a line break in a name", "--output_dir=o\nut"),
    ("a variable in single quotes", "--output_dir=$OUT/a", _says("$OUT was not")),
    ("a path of Windows", "--output_dir=C:\\out", _says("=C:\\out:", "backslash")),
    ("quotes in a flag file", '--vocab_file="vocab.txt"', _says("QUOTATION MARK")),
    ("a blank before a path", "--output_dir= out", _says("SPACE")),
    ("a variable that is unset", "--data_dir=/MRPC", _says("=/MRPC:", "variable")),
    ("a missing directory", "--data_dir=dta", _says("--data_dir=dta")),
    ("a file instead of a directory", "--data_dir=vocab.txt"),
    ("a missing file", "--vocab_file=vocab", _says("--vocab_file=vocab:")),
    ("a directory instead of a file", "--bert_config_file=data"),
    ("class weights for an unknown label", "--class_weights=yes=2"),
    ("a class weight that is 0 in float32", "--class_weights=0=1e-50,1=1"),
    ("an unknown kind of path", "--vocab_file=foo://vocab.txt", _says("'foo'")),
    ("too many steps to count", "--num_train_epochs=1e12"),
)

DATA = cases(
    "Data",
    ("a missing file", remove(DEV), _says("--data_dir=data", "dev.tsv")),
    (
        "a directory instead of a file",
        remove(DEV),
        make_directory(DEV),
        _says("dev.tsv is a directory"),
    ),
    ("an empty file", write(DEV, "")),
    ("a header without rows", _first_lines(DEV, 1)),
    ("line ends of old Macs", edit(DEV, lambda c: c.replace(b"\n", b"\r"))),
    ("a row that lacks columns", line(TRAIN, 3, "1\t1\t2\tanna paid ben .")),
    ("commas between columns", line(TRAIN, 3, _GOOD_ROW.replace("\t", ","))),
    ("an unknown label", line(TRAIN, 3, "2" + _GOOD_ROW[1:])),
    ("a blank after a label", line(TRAIN, 3, "1 " + _GOOD_ROW[1:])),
    ("no header", line(TRAIN, 1, None)),
    ("an empty line between rows", line(TRAIN, 3, "")),
    (
        "bytes that are not UTF-8",
        line(TRAIN, 3, _GOOD_ROW.encode().replace(b"ben", b"b\xe9n", 1)),
    ),
    ("a file in UTF-16", edit(TRAIN, lambda c: c.decode().encode("utf-16"))),
    ("a test file as dev file", copy(TEST, DEV)),
    ("a test file as training file", copy(TEST, TRAIN)),
    (
        "too few examples for one step",
        "--num_train_epochs=1",
        _first_lines(TRAIN, 4),
        _says("3", "--train_batch_size"),
    ),
    (
        "a labelled file as test file",
        "--do_predict=true",
        copy(DEV, TEST),
        _says("test.tsv", "--predict_file"),
    ),
    ("a NUL byte in a row", line(TRAIN, 3, _GOOD_ROW + "\0")),
    ("a compressed file", write(TRAIN, b"\x1f\x8b\x08\0\0")),
    ("a spreadsheet", write(TRAIN, b"PK\x03\x04\x14\0\x06\0")),
    (
        "a header in a file that should have none",
        "--task_name=CoLA",
        write(TRAIN, "source\tlabel\tnote\tsentence\n"),
    ),
)

OWN = cases(
    "Your own data",
    _own(
        "a column that does not exist",
        "texte\tlabel\nben\tyes\nanna\tno\n",
        _says("--text_a_column=text", "own.tsv"),
    ),
    _own("a column that exists twice", "text\ttext\tlabel\nben\tx\tyes\n"),
    _own(
        "a number that is also the name of another column",
        "0\t1\t2\nben\tyes\tx\n",
        *_NUMBERS,
        _says("--text_a_column=1", "own.tsv", "#1", "name:1"),
    ),
    _own(
        "a header read as an example",
        "text\tlabel\n" + "ben\tyes\nanna\tno\n" * 5,
        *_NUMBERS,
        "--has_header=false",
    ),
    _own(
        "labels that differ only in line ends",
        'text,label\nben,"a\nb"\nanna,a b\n',
        _says("'a\\nb'", "'a b'"),
        name="own.csv",
    ),
    _own("an example read as the header", "ben\tyes\nanna\tno\n" * 5, *_NUMBERS),
    _own(
        "a label that is not a number, in a regression",
        "text\tlabel\nben\t1\nanna\tthree\n",
        "--regression=true",
        _says("own.tsv, line 3", "three"),
    ),
    _own(
        "an unclosed quote, in CSV",
        'text,label\n"ben paid,yes\nanna,no\n',
        name="own.csv",
    ),
    _own("semicolons, in CSV", "text;label\nben;yes\n", name="own.csv"),
    _own(
        "a single label",
        "text\tlabel\nben\tyes\nanna\tyes\n",
        _says("--label_column=label", "yes"),
    ),
    _own(
        "an empty label",
        "text\tlabel\nben\tyes\nanna\t\n",
        _says("own.tsv, line 3"),
    ),
)

VOCABULARY = cases(
    "Vocabulary",
    ("an empty file", write(VOCAB, "")),
    ("a special token missing", replace(VOCAB, "[SEP]", "sep"), _says(VOCAB, "[SEP]")),
    ("[PAD] not first", replace(VOCAB, "[PAD]\n[UNK]", "[UNK]\n[PAD]")),
    ("more entries than the model has", edit(VOCAB, lambda c: c + b"more\n")),
    ("far fewer entries", edit(VOCAB, lambda c: c[: c.rindex(b"\ncarla") + 1])),
    ("an extra blank line", edit(VOCAB, lambda c: c + b"\n")),
    ("a special token twice", replace(VOCAB, "anna", "[SEP]"), _says(VOCAB, "[SEP]")),
    (
        "a cased vocabulary with lower-cased text",
        replace(VOCAB, "anna\nben\ncarla", "Anna\nBen\nCarla"),
        _says(VOCAB, "--do_lower_case"),
    ),
    (
        "an uncased vocabulary with cased text",
        "--do_lower_case=false",
        _says(VOCAB, "--do_lower_case"),
    ),
    ("bytes that are not UTF-8", line(VOCAB, 6, b"\xff\xfe")),
    ("another kind of file", copy(INDEX, VOCAB)),
)

MODEL = cases(
    "Model config",
    ("an empty file", write(CONFIG, "")),
    ("a truncated file", truncate(CONFIG, 30)),
    ("no JSON", write(CONFIG, "hidden_size = 8")),
    ("JSON that is not an object", write(CONFIG, "[1, 2]")),
    ("a missing key", _config(hidden_size=None), _says(CONFIG, "hidden_size")),
    (
        "a misspelt key",
        _config(hiden_size=8, hidden_size=None),
        _says(CONFIG, "hiden_size"),
    ),
    ("a size of 0", _config(num_hidden_layers=0)),
    ("a size in quotes", _config(hidden_size="8")),
    ("a vocabulary of absurd size", _config(vocab_size=10**12)),
    ("an absurd number of layers", _config(num_hidden_layers=10**9)),
    ("NaN", _config(initializer_range=float("nan"))),
    ("a key twice", replace(CONFIG, "{", '{"hidden_size": 8,')),
    ("too many brackets", write(CONFIG, "[" * 100000)),
    ("a size that the heads do not divide", _config(num_attention_heads=7)),
    ("an unknown activation", _config(hidden_act="swish"), _says(CONFIG, "swish")),
    ("a dropout rate above 1", _config(hidden_dropout_prob=1.5)),
    ("a single segment type", _config(type_vocab_size=1)),
    (
        "more layers than the checkpoint has",
        _config(num_hidden_layers=9),
        _says("encoder/bert_model.ckpt", "layer_2"),
    ),
    (
        "fewer layers than the checkpoint has",
        _config(num_hidden_layers=1),
        _says("encoder/bert_model.ckpt", "layer_1", "--bert_config_file"),
    ),
    (
        "other sizes than the checkpoint's",
        _config(intermediate_size=40),
        _says("encoder/bert_model.ckpt", "24", "40", "--bert_config_file"),
    ),
)

_THEIRS = "hf/model.safetensors"
_PICKLE = "hf/pytorch_model.bin"
_HUGGING_FACE = [
    (
        "no safetensors",
        write(_THEIRS, "x" * 300),
        "--init_checkpoint=hf",
        _says(_THEIRS),
    ),
    (
        "a truncated model.safetensors",
        write(_THEIRS, "x"),
        "--init_checkpoint=hf",
        _says(_THEIRS),
    ),
    (
        "a pytorch_model.bin that runs code",
        write(_PICKLE, b"cos\nsystem\n(S'ls'\ntR."),
        "--init_checkpoint=hf",
        _says(_PICKLE, "os.system"),
    ),
    (
        "another architecture",
        write("hf/config.json", '{"model_type": "roberta"}'),
        write(_THEIRS, "x"),
        "--init_checkpoint=hf",
        _says("hf/config.json: model_type"),
    ),
    (
        "two orders of its labels",
        write("hf/labels.json", '{"labels": ["no", "yes"]}'),
        write("hf/config.json", '{"id2label": {"0": "yes", "1": "no"}}'),
        write(_THEIRS, "x"),
        "--init_checkpoint=hf",
        "--task_name=custom",
        "--text_a_column=4",
        "--predict_file=" + TEST,
        "--do_predict",
        _without("do_train", "do_eval", "bert_config_file"),
        _says("hf/labels.json", "no, yes", "hf/config.json", "yes, no"),
    ),
    (
        "an index whose files are missing",
        write(_THEIRS + ".index.json", '{"weight_map": {"a": "b.safetensors"}}'),
        "--init_checkpoint=hf",
        _says("hf/b.safetensors is missing"),
    ),
]
CHECKPOINT = cases(
    "Checkpoint",
    ("a missing checkpoint", "--init_checkpoint=encoder/model", _says("r/model")),
    ("a directory without a checkpoint", "--init_checkpoint=data", _says("=data")),
    *_HUGGING_FACE,
    ("a truncated index", truncate(INDEX, 100)),
    ("an empty index", write(INDEX, "")),
    ("another kind of file as index", write(INDEX, "x" * 300)),
    ("an index with invalid offsets", edit(INDEX, _corrupt_footer)),
    ("a missing data file", remove(WEIGHTS)),
    ("a truncated data file", truncate(WEIGHTS, 999)),
    ("one wrong byte in the data", edit(WEIGHTS, lambda c: c[:99] + b"?" + c[100:])),
    (
        "no weights to use",
        _without("do_train", "init_checkpoint", says=("--init_checkpoint",)),
    ),
    (
        "a classifier with other labels",
        "--task_name=STS-B",
        "--init_checkpoint=out",
        "--output_dir=new",
        _says("out/model.ckpt-15", "output_weights", "--fresh_head", trained=True),
    ),
    (
        "a checkpoint of TensorFlow 2's objects",
        _names(lambda name: name + "/.ATTRIBUTES/VARIABLE_VALUE"),
        _says("encoder/bert_model.ckpt", "object-based", "TensorFlow 1"),
    ),
    (
        "a checkpoint with two encoders",
        _names(lambda name: "student/" + name, lambda name: "teacher/" + name),
        _says("student/bert/embeddings", "teacher/bert/embeddings"),
    ),
    (
        "a checkpoint of another program",
        _names(lambda name: name.replace("bert/", "net/").replace("word_", "")),
        _says("encoder/bert_model.ckpt", "net/embeddings"),
    ),
    (
        "a layer that is no layer of BERT",
        _names(str, lambda name: name.replace("output/dense", "adapter/dense")),
        _says("variables in its encoder", "adapter"),
    ),
    (
        "evaluation of an encoder without pooler",
        _names(lambda name: name.replace("bert/pooler", "pooler")),
        _without("do_train", says=("has no pooler", "--do_train=true")),
    ),
    says=("encoder/bert_model.ckpt",),
)

OUTPUT = cases(
    "Output directory",
    ("a file", "--output_dir=vocab.txt"),
    ("a directory below a file", "--output_dir=vocab.txt/out"),
    ("a broken link", "--output_dir=mine", link("gone", "mine")),
    (
        "a directory where a result file belongs",
        make_directory("out/eval_results.txt"),
    ),
    ("a file where a directory belongs", write("out/eval", "")),
    ("a broken link where a directory belongs", link("gone", "out/eval")),
    ("the directory of the initial weights", "--output_dir=encoder"),
    (
        "a pattern in a path that is not local",
        "--output_dir=gs://bucket/out[1]",
        _says("gs://bucket/out[1]", "pattern"),
    ),
    ("a link where the log belongs", _own_link("out/run.log")),
    ("a link where the lock file belongs", _own_link("out/.lock")),
    ("a hard link where the log belongs", hard_link(VOCAB, "out/run.log")),
    ("a pipe where the lock file belongs", make_pipe("out/.lock")),
    ("a .lock that is not this program's", write("out/.lock", "mine")),
    (
        "a link where the best weights belong",
        "--eval_steps=5",
        "--keep_best=true",
        link("../encoder", "out/best"),
    ),
    (
        "an input file that is a link to a result file",
        "--do_predict=true",
        "--predict_file=mine.tsv",
        copy(DEV, "out/predictions.tsv"),
        link("out/predictions.tsv", "mine.tsv"),
        _says("mine.tsv (predictions.tsv)", "--output_dir=out"),
    ),
    (
        "a result file that would overwrite an input",
        "--task_name=AX",
        "--do_predict=true",
        "--output_dir=data",
        write("data/AX.tsv", "index\tsentence1\tsentence2\n0\tanna\tben\n"),
        _without("do_train", "do_eval", says=("AX.tsv", "--output_dir=data")),
    ),
) + cases(
    "Output directory with a trained model",
    ("another learning rate", "--learning_rate=2e-3", _says("rate", "--allow_changes")),
    (
        "several other flags",
        "--train_batch_size=4",
        "--max_seq_length=12",
        "--random_seed=12",
    ),
    ("another task", "--task_name=QNLI"),
    ("other training examples", line(TRAIN, 3, _GOOD_ROW), _says("train.tsv")),
    ("another vocabulary", replace(VOCAB, "anna", "anne")),
    ("other initial weights", _without("init_checkpoint", says=("--init_checkpoint",))),
    (
        "changes allowed without training",
        "--allow_changes=true",
        _without("do_train", says=("--allow_changes", "--do_train")),
    ),
    (
        "a pipe instead of the checkpoint file",
        remove("out/checkpoint"),
        make_pipe("out/checkpoint"),
    ),
    ("a corrupt settings file", write("out/run_settings.json", "{")),
    (
        "a settings file edited by hand",
        write("out/run_settings.json", '{"random_seed": 1, "versions": ["1.14"]}'),
        _says("versions is list"),
    ),
    ("a corrupt label file", write("out/labels.json", "[]")),
    (
        "the original's output, with a checkpoint that `checkpoint` does not list",
        remove("out/checkpoint"),
        remove("out/run_settings.json"),
        _says("out"),
    ),
    (
        "corrupt checkpoints only",
        truncate(LATEST, 999),
        remove("out/model.ckpt-12.index"),
        _says("out"),
    ),
    (
        "no best weights to evaluate",
        "--keep_best=true",
        _without("do_train", says=("best",)),
    ),
    (
        "the best weights where another run has its output",
        "--eval_steps=5",
        "--keep_best=true",
        write("out/best/run_settings.json", "{}"),
        _says("out/best", "another run"),
    ),
    trained=True,
)

# Unusual but allowed.
WARNINGS = cases(
    "Accepted with a warning",
    ("extra columns", line(TRAIN, 3, _GOOD_ROW + "\tx"), _says(TRAIN, "line 3")),
    ("a token twice", replace(VOCAB, "anna", "ben"), _says(VOCAB, "ben")),
    (
        "a few entries fewer than the checkpoint has",
        edit(VOCAB, lambda c: c[: c.rindex(b"\nthanked") + 1]),
        _says(VOCAB, "unused"),
    ),
    (
        "text that the vocabulary lacks",
        edit(TRAIN, lambda c: c.replace(b"paid", "\u4ed8".encode())),
        _says(TRAIN, "[UNK]", "\u4ed8"),
    ),
    (
        "text in quotes, as in CSV",
        edit(TRAIN, _quote_texts),
        "--train_file=data/train.tsv",
        _says(TRAIN, "line 2"),
    ),
    (
        "an example read as the header of a GLUE task",
        "--do_predict=true",
        "--predict_file=mine.tsv",
        write("mine.tsv", "one\t1\t2\tanna paid ben .\tben paid anna .\n" * 2),
        _says("mine.tsv: line 1"),
    ),
    ("a key that the model does not use", _config(author="me"), _says("author")),
    ("empty texts", line(TRAIN, 3, "1\t1\t2\t\t"), _says("without any text")),
    ("a quarter of the rows", _first_lines(TRAIN, 11), _says(TRAIN, "are missing")),
    ("rows sorted by label", edit(TRAIN, _sort_rows), _says(TRAIN, "sorted")),
    ("texts that are too long", "--max_seq_length=8", _says("=8;", "=13")),
    ("no initial checkpoint", _without("init_checkpoint", says=("random weights",))),
    (
        "an encoder without pooler",
        _names(lambda name: name.replace("bert/pooler", "pooler")),
        _says("encoder/bert_model.ckpt has no pooler"),
    ),
    (
        "a config of another architecture",
        _config(model_type="roberta"),
        _says(CONFIG, "model_type is 'roberta'"),
    ),
    ("flags for TPUs", "--num_tpu_cores=8", _says("--num_tpu_cores")),
    ("an untrained classifier", _without("do_train", says=("UNTRAINED",))),
    is_accepted=True,
) + cases(
    "Accepted with a warning, with a trained model",
    ("a corrupt latest checkpoint", truncate(LATEST, 999), _says("model.ckpt-15")),
    (
        "a corrupt `checkpoint` file",
        write("out/checkpoint", "x"),
        _without("do_train", says=("out/checkpoint",)),
    ),
    (
        "another learning rate, allowed",
        "--learning_rate=2e-3",
        "--allow_changes=true",
        _says("--learning_rate"),
    ),
    ("a finished run", _says("NOTHING LEFT")),
    (
        "scoring the training set",
        "--eval_file=data/train.tsv",
        _without("do_train", says=("THE TRAINING SET",)),
    ),
    (
        "evaluation with another vocabulary of the same size",
        edit(VOCAB, lambda c: corpus.reverse_words(c.decode()).encode()),
        _without("do_train", says=("vocab.txt",)),
    ),
    (
        "evaluation with another config of the same shapes",
        _config(hidden_act="relu"),
        _without("do_train", says=("bert_config.json",)),
    ),
    is_accepted=True,
    trained=True,
)

CASES = FLAGS + DATA + OWN + VOCABULARY + MODEL + CHECKPOINT + OUTPUT + WARNINGS
