"""The command line's flags, and the one frozen record that they become.

Each field of `Settings` is a flag: name, type, default, group, help and range stand
here and nowhere else. Nothing is defined on absl's global flags.
"""

import dataclasses
import difflib
import math
import re
import textwrap
from dataclasses import dataclass
from typing import Optional

from absl import flags

from finetuning.errors import InputError

_TASK = "What to do"
_FILES = "Files"
_TEXT = "Text"
_TRAINING = "Training"
_INFERENCE = "Evaluation and prediction"
_DEVICE = "Device"
_NO_EFFECT = "Accepted so that old command lines run; without effect"

_MAX_INT = 2**31 - 1
MAX_SEED = _MAX_INT
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
        _TASK, None, "Task: MRPC, MNLI, CoLA or XNLI, in any case.", required=True
    )
    do_train: bool = _flag(_TASK, False, "Fine-tune on the training set.")
    do_eval: bool = _flag(_TASK, False, "Score the development set.")
    do_predict: bool = _flag(
        _TASK, False, "Write the class probabilities of the test set."
    )

    data_dir: str = _flag(
        _FILES, None, "Directory of the task's TSV files.", required=True
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

    eval_batch_size: int = _flag(_INFERENCE, 8, "Examples in an eval batch.", least=1)
    predict_batch_size: int = _flag(
        _INFERENCE, 8, "Examples in a prediction batch.", least=1
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


def help_text(program):
    """All flags with types and defaults, by group."""
    lines = [
        "Fine-tunes BERT on a GLUE task, evaluates it, predicts with it.",
        "",
        "  python %s --task_name=MRPC --do_train=true --do_eval=true ..." % program,
        "  python %s --flagfile=configs/mrpc_google.flags ..." % program,
    ]
    group = None
    for field in dataclasses.fields(Settings):
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", group + ":"]
        lines += _help_lines(field)
    lines += ["", "Other:"]
    lines += _wrapped("--flagfile=PATH", "Read flags from a file, one a line.")
    lines += _wrapped("--help", "Show this.")
    return "\n".join(lines)


def _help_lines(field):
    kind = _kind(field).__name__
    if field.metadata.get("required"):
        default = "required"
    elif field.default is None:
        default = "default: none"
    else:
        default = "default: %s" % str(field.default).lower()
    return _wrapped(
        "--%s" % field.name, "%s (%s; %s)" % (field.metadata["help"], kind, default)
    )


def _wrapped(name, text):
    lines = textwrap.wrap(text, width=62)
    first = "  %-24s %s" % (name, lines[0])
    return [first] + [" " * 27 + line for line in lines[1:]]


def _field_names():
    return [field.name for field in dataclasses.fields(Settings)]


def _kind(field):
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
        define[_kind(field)](
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
        wanted[_kind(field)],
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
    missing = [
        "--" + field.name
        for field in fields
        if field.metadata.get("required") and not getattr(settings, field.name)
    ]
    if missing:
        raise InputError("%s must be given (see --help)" % ", ".join(missing))
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
