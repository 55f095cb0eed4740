"""The command line as one frozen record.

Each field of `Settings` is a flag. Its name, type, default, group, help text and rules
are defined here and nowhere else: `command_line` builds the parser from them, and lists
of flags in other modules are derived with `flags_with`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Optional

_TASK = "What to do"
_FILES = "Files"
_CUSTOM_DATA = "Your own data (--task_name=custom)"
_TEXT = "Text"
_TRAINING = "Training"
_CHECKPOINTS = "Checkpoints and resuming"
_EVALUATION = "Evaluation during training"
_INFERENCE = "Evaluation and prediction"
_DEVICE = "Device"
WORKERS = "Several workers"
NO_EFFECT = "Accepted for compatibility with the original; no effect"
# Rules that all flags of a group share, unless a flag says otherwise.
_GROUP_RULES = {
    _FILES: {"is_path": True, "affects": "weights"},
    _CUSTOM_DATA: {"affects": "weights", "needs": "custom", "saved_with_weights": True},
    _TEXT: {"affects": "weights", "saved_with_weights": True},
    _TRAINING: {"affects": "weights"},
    _EVALUATION: {"affects": "scores"},
}
_TPU_OPTION = "Ignored; TPU option of the original."
MAX_INT = 2**31 - 1
# Round numbers that still fit a float32; a smaller one is 0 there, or loses digits.
MAX_FLOAT = 3e38
MIN_FLOAT = 1.2e-38
MAX_SEED = MAX_INT
# The task name for the user's own data.
CUSTOM = "custom"
# The flag that replaces the task's own file of each split.
FILE_FLAGS = {"train": "train_file", "dev": "eval_file", "test": "predict_file"}


def _flag(group, default, help_text, **rules):
    """Defines a field that is a flag.

    Args:
      group: heading in --help.
      default: value if the flag is not given.
      help_text: one or two sentences.
      **rules: these, in addition to the rules of the group:
        is_path: True if the value is a path.
        affects: "weights" if a run with another value trains other weights, so that a
          run must not be resumed with one; "scores" if only the run's scores change.
        saved_with_weights: True if the flag decides how text is read, so that its value
          is saved next to the weights, see `text_settings`.
        needs: what the flag has no effect without: "do_train", "do_eval",
          "do_predict", "evaluation" (during training), "results" (of --do_eval) or
          "custom" (the task).
        required: True if the flag must be given.
        least, most, above: bounds of a number.
        choices: the strings that are accepted.
    """
    shared = _GROUP_RULES.get(group, {})
    metadata = {
        "is_path": False,
        "affects": None,
        "needs": None,
        "saved_with_weights": False,
    }
    metadata.update(shared)
    metadata.update(rules, group=group, help=help_text)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All flags of a run. Lengths are in tokens, batch sizes in examples."""

    task_name: str = _flag(
        _TASK,
        None,
        "Task, in any case: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI, AX "
        "(with a model trained on MNLI), XNLI; or custom for your own data.",
        required=True,
        affects="weights",
        saved_with_weights=True,
    )
    do_train: bool = _flag(_TASK, False, "Fine-tune on the training set.")
    do_eval: bool = _flag(_TASK, False, "Evaluate on the dev set.")
    do_predict: bool = _flag(_TASK, False, "Predict the test set.")
    check: bool = _flag(
        _TASK,
        False,
        "Dry run: validate the flags, every row of the input files and the device, and "
        "exit without writing anything.",
    )
    debug: bool = _flag(_TASK, False, "Show tracebacks of errors.")

    data_dir: str = _flag(
        _FILES,
        None,
        "Directory of the task's files. Not needed if flags name every file that the "
        "run reads.",
    )
    train_file: Optional[str] = _flag(
        _FILES,
        None,
        "File to train on instead of the training set in --data_dir.",
        needs="do_train",
    )
    eval_file: Optional[str] = _flag(
        _FILES,
        None,
        "Labelled file to evaluate on instead of the dev set in --data_dir.",
        affects="scores",
        needs="do_eval",
    )
    predict_file: Optional[str] = _flag(
        _FILES,
        None,
        "File to predict, labelled or not, instead of the test set in --data_dir.",
        affects=None,
        needs="do_predict",
    )
    vocab_file: str = _flag(
        _FILES, None, "Vocabulary that the model was pre-trained with.", required=True
    )
    bert_config_file: str = _flag(
        _FILES, None, "JSON file with the model's architecture.", required=True
    )
    init_checkpoint: Optional[str] = _flag(
        _FILES,
        None,
        "Checkpoint to start from: its prefix (.../bert_model.ckpt), one of its files, "
        "or its directory; or a directory in Hugging Face format. Without it, "
        "training starts from random weights.",
    )
    output_dir: str = _flag(
        _FILES,
        None,
        "Directory for checkpoints and results. If it contains a training run, that "
        "run is resumed.",
        affects=None,
        required=True,
    )

    text_a_column: Optional[str] = _flag(
        _CUSTOM_DATA,
        None,
        "Column of the text: its name in the header, or its number, counted from 1. "
        "name:2 is always the column of that name, and #2 that of that number.",
    )
    text_b_column: Optional[str] = _flag(
        _CUSTOM_DATA, None, "Column of the second text, if the examples are pairs."
    )
    label_column: Optional[str] = _flag(
        _CUSTOM_DATA, None, "Column of the label. Not needed in a file to predict."
    )
    id_column: Optional[str] = _flag(
        _CUSTOM_DATA,
        None,
        "Column of the example's id. If not given: its line number, counted from 0.",
        affects=None,
        saved_with_weights=False,  # The files to predict may have no ids.
    )
    has_header: bool = _flag(
        _CUSTOM_DATA, True, "Whether the first line of each file is a header."
    )
    labels: Optional[str] = _flag(
        _CUSTOM_DATA,
        None,
        "Labels in the order of their ids, separated by commas. If not given: the "
        "sorted labels of the training file, which are saved with the checkpoint.",
        saved_with_weights=False,  # `label_map` saves those of every task.
    )
    regression: bool = _flag(
        _CUSTOM_DATA, False, "Labels are numbers; train with mean squared error."
    )

    do_lower_case: bool = _flag(
        _TEXT, True, "Lower-case the text: true for uncased models."
    )
    max_seq_length: int = _flag(
        _TEXT, 128, "Maximum number of tokens; longer examples are truncated.", least=3
    )

    fresh_head: bool = _flag(
        _TRAINING,
        False,
        "Train a new classifier even if --init_checkpoint has one, as to start from a "
        "checkpoint of another task.",
        needs="do_train",
    )
    train_batch_size: int = _flag(_TRAINING, 32, "Examples per training step.", least=1)
    accumulate_steps: int = _flag(
        _TRAINING,
        1,
        "Compute each training batch in this many equal parts, one after another, and "
        "add up their gradients: needs less memory, and trains like the whole batch.",
        least=1,
        affects=None,  # But for rounding, and for which elements dropout drops.
        needs="do_train",
    )
    learning_rate: float = _flag(
        _TRAINING, 5e-5, "Peak learning rate of Adam.", above=0.0
    )
    num_train_epochs: float = _flag(
        _TRAINING, 3.0, "Passes over the training set; may be fractional.", above=0.0
    )
    warmup_proportion: float = _flag(
        _TRAINING, 0.1, "Fraction of the steps that are warm-up.", least=0.0, most=1.0
    )
    max_train_examples: Optional[int] = _flag(
        _TRAINING,
        None,
        "Train on a random sample of this many examples; always the same sample.",
        least=1,
    )
    class_weights: Optional[str] = _flag(
        _TRAINING,
        None,
        "Weights of the labels in the training loss: balanced (inversely proportional "
        "to their frequency), or a list such as yes=2,no=0.5.",
    )
    adam_bias_correction: bool = _flag(
        _TRAINING,
        False,
        "Correct the bias of Adam's moments, which BERT's own optimiser does not do: "
        "more stable on small tasks.",
    )
    random_seed: Optional[int] = _flag(
        _TRAINING,
        None,
        "Seed of new weights, shuffling and dropout. If not given: a random one, which "
        "is logged and saved; a resumed run uses the saved one.",
        least=0,
        most=MAX_SEED,
    )

    save_checkpoints_steps: int = _flag(
        _CHECKPOINTS, 1000, "Steps between checkpoints.", least=1
    )
    keep_checkpoint_max: int = _flag(
        _CHECKPOINTS, 5, "Number of latest checkpoints to keep; 0 keeps all.", least=0
    )
    allow_changes: bool = _flag(
        _CHECKPOINTS,
        False,
        "Resume the run in --output_dir even if its settings differ.",
        needs="do_train",
    )

    eval_steps: int = _flag(
        _EVALUATION,
        0,
        "Steps between evaluations on the dev set; 0: none.",
        least=0,
        needs="do_train",
    )
    eval_each_epoch: bool = _flag(
        _EVALUATION,
        False,
        "Evaluate on the dev set at the end of each epoch.",
        needs="do_train",
    )
    keep_best: bool = _flag(
        _EVALUATION,
        False,
        "Keep the weights with the best main score in output_dir/best, and evaluate "
        "and predict with them.",
        needs="evaluation",
    )
    early_stop: int = _flag(
        _EVALUATION,
        0,
        "Stop after this many consecutive evaluations without a new best; 0: never.",
        least=0,
        needs="evaluation",
    )

    eval_batch_size: int = _flag(
        _INFERENCE,
        8,
        "Full-length examples per evaluation batch; batches of shorter examples are "
        "larger.",
        least=1,
    )
    predict_batch_size: int = _flag(
        _INFERENCE, 8, "Like --eval_batch_size, for prediction.", least=1
    )

    report: bool = _flag(
        _INFERENCE,
        False,
        "After the evaluation, write report.html: scores, charts, the worst errors and "
        "the attention inside the model.",
        needs="results",
    )

    require_gpu: bool = _flag(_DEVICE, False, "Exit if no GPU is available.")
    precision: str = _flag(
        _DEVICE,
        "float32",
        "Data type of the matrix products: float32, or mixed for 16 bits where that is "
        "faster (float16 on GPUs, bfloat16 on CPUs that support it, with TensorFlow "
        "2).",
        choices=("float32", "mixed"),
        affects="weights",
    )
    xla: bool = _flag(
        _DEVICE,
        False,
        "Compile the model with XLA, which takes from seconds to a minute when a run "
        "starts; batches are then padded to one of few sizes.",
    )
    num_threads: int = _flag(
        _DEVICE,
        0,
        "CPU threads per operation; 0: one per physical core.",
        least=0,
        most=1024,
    )

    workers: Optional[str] = _flag(
        WORKERS,
        None,
        "The workers that train together: host:port,host:port,... in the same order on "
        "all of them. Worker 0 writes the results. If not given: those of the "
        "environment variable TF_CONFIG, if it names several.",
    )
    worker_index: Optional[int] = _flag(
        WORKERS, None, "Which of --workers this one is, counted from 0.", least=0
    )
    cluster_secret_file: Optional[str] = _flag(
        WORKERS,
        None,
        "File with a secret, the same for all workers; without it, worker 0 accepts "
        "whoever can connect to its port and speaks its protocol.",
        is_path=True,
    )
    connect_timeout: int = _flag(
        WORKERS,
        25,
        "Seconds to wait at the start until all workers are connected.",
        least=1,
        most=86400,
    )

    iterations_per_loop: int = _flag(NO_EFFECT, 1000, _TPU_OPTION, least=1)
    use_tpu: bool = _flag(NO_EFFECT, False, "TPUs are not supported; must be false.")
    tpu_name: Optional[str] = _flag(NO_EFFECT, None, _TPU_OPTION)
    tpu_zone: Optional[str] = _flag(NO_EFFECT, None, _TPU_OPTION)
    gcp_project: Optional[str] = _flag(NO_EFFECT, None, _TPU_OPTION)
    master: Optional[str] = _flag(NO_EFFECT, None, _TPU_OPTION)
    num_tpu_cores: int = _flag(NO_EFFECT, 8, _TPU_OPTION, least=1)

    def as_dict(self):
        return dataclasses.asdict(self)

    @property
    def is_custom(self):
        """Whether the run is on the user's own data."""
        return self.task_name.lower() == CUSTOM

    @property
    def evaluates_while_training(self):
        return self.do_train and (self.eval_steps > 0 or self.eval_each_epoch)

    @property
    def files(self):
        """Maps each split that the run reads to the file given for it, or None."""
        is_read = {
            "train": self.do_train,
            "dev": self.do_eval or self.evaluates_while_training,
            "test": self.do_predict,
        }
        return {
            split: getattr(self, FILE_FLAGS[split])
            for split in is_read
            if is_read[split]
        }


def flags_with(**metadata):
    """Names of the flags whose metadata has all of these values.

    Args:
      **metadata: as the rules of a flag: `affects`, `is_path`, `needs`, `group`.

    Returns:
      Tuple of str, in the order of the fields.

    Example:
      >>> flags_with(affects="weights", is_path=True)
      ('data_dir', 'train_file', 'vocab_file', 'bert_config_file', 'init_checkpoint')
    """
    return tuple(
        field.name
        for field in dataclasses.fields(Settings)
        if all(field.metadata.get(key) == value for key, value in metadata.items())
    )


def type_of(field):
    """The type of a flag's value if it is given: str, bool, int or float."""
    if field.type in (str, bool, int, float):
        return field.type
    return next(kind for kind in field.type.__args__ if kind is not type(None))


def as_value(value):
    """Writes a flag's value as on a command line (`true`), or `not given`."""
    if value is None:
        return "not given"
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_flag(name, value):
    """Writes a flag as on a command line (`--do_train=true`), or `no --name`."""
    return "no --" + name if value is None else "--%s=%s" % (name, as_value(value))
