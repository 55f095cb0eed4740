"""The command line's flags, and the one frozen record that they become.

Each field of `Settings` is a flag: name, type, default, group, help and range stand
here and nowhere else. Nothing is defined on absl's global flags.
"""

import dataclasses
import difflib
import math
import re
from dataclasses import dataclass
from typing import Optional

from absl import flags

from finetuning.errors import InputError

_TASK = "What to do"
_FILES = "Files"
_OWN_DATA = "Your own data (--task_name=custom)"
_TEXT = "Text"
_TRAINING = "Training"
_SELECTION = "Evaluation during training"
_INFERENCE = "Evaluation and prediction"
_DEVICE = "Device"
_NO_EFFECT = "Accepted so that old command lines run; without effect"

_MAX_INT = 2**31 - 1
MAX_SEED = _MAX_INT
# The task of the user's own data.
CUSTOM = "custom"
# The flag that names another file for a set.
FILE_FLAGS = {"train": "train_file", "dev": "eval_file", "test": "predict_file"}
_HELP_FLAGS = ("--help", "-help", "-h", "--h", "--helpshort", "--helpfull")


def _flag(group, default, help_text, **rules):
    """A field that is a flag.

    Args:
      group: heading in --help.
      default: its value where it is not given.
      help_text: one or two sentences.
      **rules: `required` (bool), `least`, `most`, `above` (bounds of a number),
        `choices` (the strings that are accepted).
    """
    metadata = dict(rules, group=group, help=help_text)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """What the user asked for. Units: lengths in tokens, batch sizes in examples."""

    task_name: str = _flag(
        _TASK,
        None,
        "Task, in any case: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI, AX "
        "(with MNLI's model), XNLI; or custom: your own data.",
        required=True,
    )
    do_train: bool = _flag(_TASK, False, "Fine-tune on the training set.")
    do_eval: bool = _flag(_TASK, False, "Score the development set.")
    do_predict: bool = _flag(_TASK, False, "Write what the model says of the test set.")

    data_dir: str = _flag(
        _FILES,
        None,
        "Directory of the task's files. Needed unless every file that is read is named "
        "by a flag.",
    )
    train_file: Optional[str] = _flag(
        _FILES, None, "Training set in the task's format, in place of --data_dir's."
    )
    eval_file: Optional[str] = _flag(
        _FILES, None, "Labelled file to score, in place of the development set."
    )
    predict_file: Optional[str] = _flag(
        _FILES, None, "File to predict, labelled or not, in place of the test set."
    )
    vocab_file: str = _flag(
        _FILES, None, "Vocabulary that the checkpoint was trained with.", required=True
    )
    bert_config_file: str = _flag(
        _FILES, None, "JSON file that gives the model's shape.", required=True
    )
    init_checkpoint: Optional[str] = _flag(
        _FILES,
        None,
        "Checkpoint to start from: its prefix (.../bert_model.ckpt), one of its files, "
        "or its directory. Left out, training starts from random weights.",
    )
    output_dir: str = _flag(
        _FILES,
        None,
        "Directory for checkpoints and results. A training that it holds goes on.",
        required=True,
    )

    text_a_column: Optional[str] = _flag(
        _OWN_DATA,
        None,
        "Column of the text: its name in the header, or its number from 1.",
    )
    text_b_column: Optional[str] = _flag(
        _OWN_DATA, None, "Column of the second text; left out: single texts."
    )
    label_column: Optional[str] = _flag(
        _OWN_DATA, None, "Column of the label. A file to predict may lack it."
    )
    id_column: Optional[str] = _flag(
        _OWN_DATA, None, "Column of the example's name; left out: its line, from 0."
    )
    has_header: bool = _flag(
        _OWN_DATA, True, "Whether the first line of each file names the columns."
    )
    labels: Optional[str] = _flag(
        _OWN_DATA,
        None,
        "Labels in the order of their ids, with commas between. Left out: those of the "
        "training file, sorted, which are saved with the checkpoint.",
    )
    regression: bool = _flag(
        _OWN_DATA, False, "The label is a number, learned by squared error."
    )

    do_lower_case: bool = _flag(
        _TEXT, True, "Lower-case the text: true for uncased models, false for cased."
    )
    max_seq_length: int = _flag(
        _TEXT, 128, "Length of a sequence; longer ones are cut.", least=3
    )

    train_batch_size: int = _flag(_TRAINING, 32, "Examples in a step.", least=1)
    learning_rate: float = _flag(
        _TRAINING, 5e-5, "Peak learning rate of Adam.", above=0.0
    )
    num_train_epochs: float = _flag(
        _TRAINING, 3.0, "Passes over the training set; may be a fraction.", above=0.0
    )
    warmup_proportion: float = _flag(
        _TRAINING, 0.1, "Fraction of the steps that warm up.", least=0.0, most=1.0
    )
    max_train_examples: Optional[int] = _flag(
        _TRAINING,
        None,
        "Train on this many examples, drawn from all of them, always the same ones.",
        least=1,
    )
    class_weights: Optional[str] = _flag(
        _TRAINING,
        None,
        "Weights of the labels in the training loss: balanced (inverse to how often "
        "each occurs), or such as yes=2,no=0.5.",
    )
    adam_bias_correction: bool = _flag(
        _TRAINING,
        False,
        "Correct the bias of Adam's moments, which BERT's own optimiser does not: "
        "steadier on small tasks.",
    )
    random_seed: Optional[int] = _flag(
        _TRAINING,
        None,
        "Seed of fresh weights, shuffling and dropout. Left out, one is drawn, shown "
        "and saved; a resumed training takes the saved one.",
        least=0,
        most=MAX_SEED,
    )
    save_checkpoints_steps: int = _flag(
        _TRAINING, 1000, "Steps between two checkpoints.", least=1
    )
    keep_checkpoint_max: int = _flag(
        _TRAINING, 5, "Newest checkpoints that are kept; 0: all.", least=0
    )

    eval_steps: int = _flag(
        _SELECTION, 0, "Steps between two evaluations; 0: none.", least=0
    )
    eval_each_epoch: bool = _flag(
        _SELECTION, False, "Evaluate at the end of each epoch."
    )
    keep_best: bool = _flag(
        _SELECTION,
        False,
        "Keep the weights of the best evaluation, by the task's main score, in "
        "output_dir/best, and evaluate and predict with them.",
    )
    early_stop: int = _flag(
        _SELECTION,
        0,
        "Stop after this many evaluations in a row without a new best; 0: never.",
        least=0,
    )

    eval_batch_size: int = _flag(
        _INFERENCE,
        8,
        "Examples of full length in an eval batch; shorter ones go more at a time.",
        least=1,
    )
    predict_batch_size: int = _flag(
        _INFERENCE, 8, "The same for a prediction batch.", least=1
    )

    require_gpu: bool = _flag(_DEVICE, False, "End at once where there is no GPU.")
    precision: str = _flag(
        _DEVICE,
        "float32",
        "Type of the matrix products: float32, or mixed: 16 bits where that is faster "
        "(float16 on a GPU, bfloat16 on a CPU that has it under TensorFlow 2).",
        choices=("float32", "mixed"),
    )
    xla: bool = _flag(
        _DEVICE, False, "Compile the graph for the GPU; lengths are then padded."
    )
    num_threads: int = _flag(
        _DEVICE,
        0,
        "CPU threads of one operation; 0: one a physical core.",
        least=0,
        most=1024,
    )

    iterations_per_loop: int = _flag(_NO_EFFECT, 1000, "Served TPUs.", least=1)
    use_tpu: bool = _flag(_NO_EFFECT, False, "Only false is accepted.")
    tpu_name: Optional[str] = _flag(_NO_EFFECT, None, "Served TPUs.")
    tpu_zone: Optional[str] = _flag(_NO_EFFECT, None, "Served TPUs.")
    gcp_project: Optional[str] = _flag(_NO_EFFECT, None, "Served TPUs.")
    master: Optional[str] = _flag(_NO_EFFECT, None, "Served TPUs.")
    num_tpu_cores: int = _flag(_NO_EFFECT, 8, "Served TPUs.", least=1)

    def as_dict(self):
        return dataclasses.asdict(self)

    @property
    def evaluates_while_training(self):
        return self.do_train and (self.eval_steps > 0 or self.eval_each_epoch)

    @property
    def files(self):
        """Kind of each set that the run reads -> the file given for it, or None."""
        wanted = {
            "train": self.do_train,
            "dev": self.do_eval or self.evaluates_while_training,
            "test": self.do_predict,
        }
        return {
            kind: getattr(self, FILE_FLAGS[kind]) for kind in wanted if wanted[kind]
        }


def asks_for_help(argv):
    return any(argument in _HELP_FLAGS for argument in argv[1:])


def parse(argv):
    """Reads a command line strictly.

    Args:
      argv: program name and arguments; `--flagfile=PATH` stands for the flags in that
        file, one a line.

    Returns:
      `Settings`, and the names of the flags that were given but have no effect.

    Raises:
      InputError: an argument is unknown, misspelt, of another type, out of range,
        missing or contradictory.
    """
    values = _parse_flags(argv)
    settings = Settings(**{name: values[name].value for name in _field_names()})
    _check(settings)
    without_effect = [
        field.name
        for field in dataclasses.fields(Settings)
        if field.metadata["group"] == _NO_EFFECT and values[field.name].present
    ]
    return settings, without_effect


def _field_names():
    return [field.name for field in dataclasses.fields(Settings)]


def kind_of(field):
    """The field's type, None aside."""
    if field.type in (str, bool, int, float):
        return field.type
    return next(kind for kind in field.type.__args__ if kind is not type(None))


def _parse_flags(argv):
    """Absl's own parsing on a set of flags of our own."""
    values = flags.FlagValues()
    define = {
        str: flags.DEFINE_string,
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }
    for field in dataclasses.fields(Settings):
        define[kind_of(field)](
            field.name, field.default, field.metadata["help"], flag_values=values
        )
    # Absl's own way to have misspelt flags ignored; this program has none.
    if any(argument.lstrip("-").startswith("undefok") for argument in argv[1:]):
        raise InputError(_unknown_flag("undefok"))
    try:
        positional = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        raise InputError(_unknown_flag(error.flagname)) from None
    except flags.Error as error:
        raise InputError(_absl_message(error)) from None
    except UnicodeDecodeError:
        files = [argument for argument in argv if "flagfile" in argument]
        raise InputError("%s is not UTF-8" % ", ".join(files)) from None
    except ValueError as error:
        # Of the kind --nodo_train=true: absl says so without an error class.
        name = re.search(r"--(\w+)", str(error))
        raise InputError(_unknown_flag(name.group(1) if name else "")) from None
    if positional:
        raise InputError(_unexpected_argument(positional[0]))
    return values


def _unknown_flag(name):
    near = difflib.get_close_matches(name, _field_names(), n=1, cutoff=0.0)
    return "--%s is not a flag; the nearest is --%s (see --help)" % (name, near[0])


def _absl_message(error):
    """One line of ours from one of absl's."""
    message = " ".join(str(error).replace("ERROR::", "").split())
    refused = re.match(r"flag --(\w+)=(.*?): ", message)
    if refused is None:
        return message + " (see --help)"
    field = next(f for f in dataclasses.fields(Settings) if f.name == refused.group(1))
    wanted = {bool: "true or false", int: "a whole number", float: "a number"}
    return "--%s=%s: expected %s" % (
        field.name,
        refused.group(2),
        wanted[kind_of(field)],
    )


def _unexpected_argument(argument):
    if not argument.strip():
        return (
            "unexpected blank argument: a backslash that continues a line must be its "
            "last character, with no blanks behind it"
        )
    return (
        "unexpected argument %r: write flags as --name=value (--do_train=true)"
        % argument
    )


def _check(settings):
    fields = dataclasses.fields(Settings)
    required = {field.name for field in fields if field.metadata.get("required")}
    if None in settings.files.values() or not settings.files:
        required.add("data_dir")
    missing = [
        "--" + field.name
        for field in fields
        if field.name in required and not getattr(settings, field.name)
    ]
    if missing:
        shown = ", ".join(missing)
        others = [FILE_FLAGS[kind] for kind, file in settings.files.items() if not file]
        if any(settings.files.values()):
            hint = "--data_dir (or %s)" % " and ".join("--" + name for name in others)
            shown = shown.replace("--data_dir", hint)
        raise InputError("%s must be given (see --help)" % shown)
    for field in fields:
        if getattr(settings, field.name) == "":
            raise InputError(
                "--%s= is empty (an unset shell variable?); give a value or leave the "
                "flag out" % field.name
            )
        _check_range(field, getattr(settings, field.name))
    if settings.use_tpu:
        raise InputError(
            "--use_tpu=true: TPUs no longer run TensorFlow 1 programs, and this one "
            "was never tested on one; leave the flag out to run on a GPU or CPU"
        )
    if not (settings.do_train or settings.do_eval or settings.do_predict):
        raise InputError(
            "nothing to do: give --do_train=true, --do_eval=true or --do_predict=true"
        )
    _check_combinations(settings)


def _check_combinations(settings):
    """Refuses flags that would have no effect beside the others."""
    if settings.eval_steps and settings.eval_each_epoch:
        raise InputError("--eval_steps and --eval_each_epoch: give one of them")
    evaluates = settings.evaluates_while_training
    needs = [
        ("train_file", settings.do_train, "--do_train=true"),
        ("predict_file", settings.do_predict, "--do_predict=true"),
        ("eval_file", settings.do_eval or evaluates, "--do_eval=true"),
        ("eval_steps", settings.do_train, "--do_train=true"),
        ("eval_each_epoch", settings.do_train, "--do_train=true"),
        ("early_stop", evaluates, "--eval_steps or --eval_each_epoch, and --do_train"),
    ]
    if settings.do_train:
        needs.append(("keep_best", evaluates, "--eval_steps or --eval_each_epoch"))
    own = settings.task_name.lower() == CUSTOM
    needs += [
        (field.name, own, "--task_name=custom")
        for field in dataclasses.fields(Settings)
        if field.metadata["group"] == _OWN_DATA
    ]
    for name, holds, wanted in needs:
        value = getattr(settings, name)
        if value != getattr(Settings, name) and not holds:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise InputError("--%s=%s has no effect without %s" % (name, shown, wanted))
    if settings.regression and (settings.labels or settings.class_weights):
        raise InputError(
            "--regression=true: a number has no --labels and no --class_weights; leave "
            "one of them out"
        )


def _check_range(field, value):
    rules = field.metadata
    if value not in rules.get("choices", (value,)):
        raise InputError(
            "--%s=%s: expected %s" % (field.name, value, " or ".join(rules["choices"]))
        )
    if value is None or isinstance(value, (bool, str)):
        return
    wanted = []
    if "above" in rules:
        wanted.append(("above %g" % rules["above"], value > rules["above"]))
    if "least" in rules:
        wanted.append(("at least %g" % rules["least"], value >= rules["least"]))
    if "most" in rules:
        wanted.append(("at most %d" % rules["most"], value <= rules["most"]))
    elif isinstance(value, int) and value > _MAX_INT:
        wanted.append(("at most %d" % _MAX_INT, value <= _MAX_INT))
    if value in (math.inf, -math.inf) or not all(holds for _, holds in wanted):
        raise InputError(
            "--%s=%s: expected a number %s"
            % (field.name, value, " and ".join(words for words, _ in wanted))
        )
