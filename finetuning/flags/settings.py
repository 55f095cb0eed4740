"""The one frozen record that the command line becomes.

Each field of `Settings` is a flag: name, type, default, group, help and range stand
here and nowhere else; `command_line` reads them.
"""

import dataclasses
from dataclasses import dataclass
from typing import Optional

_TASK = "What to do"
_FILES = "Files"
OWN_DATA = "Your own data (--task_name=custom)"
_TEXT = "Text"
_TRAINING = "Training"
_SELECTION = "Evaluation during training"
_INFERENCE = "Evaluation and prediction"
_DEVICE = "Device"
NO_EFFECT = "Accepted so that old command lines run; without effect"
MAX_INT = 2**31 - 1
# What a float32 can hold, roundly.
MAX_FLOAT = 3e38
MAX_SEED = MAX_INT
# The task of the user's own data.
CUSTOM = "custom"
# The flag that names another file for a set.
FILE_FLAGS = {"train": "train_file", "dev": "eval_file", "test": "predict_file"}


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
    check: bool = _flag(
        _TASK,
        False,
        "Check flags, files, every row and the device as the run would, say what it "
        "would do, and end without writing anything.",
    )
    debug: bool = _flag(_TASK, False, "Show the traceback of an error.")

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
        OWN_DATA,
        None,
        "Column of the text: its name in the header, or its number from 1.",
    )
    text_b_column: Optional[str] = _flag(
        OWN_DATA, None, "Column of the second text; left out: single texts."
    )
    label_column: Optional[str] = _flag(
        OWN_DATA, None, "Column of the label. A file to predict may lack it."
    )
    id_column: Optional[str] = _flag(
        OWN_DATA, None, "Column of the example's name; left out: its line, from 0."
    )
    has_header: bool = _flag(
        OWN_DATA, True, "Whether the first line of each file names the columns."
    )
    labels: Optional[str] = _flag(
        OWN_DATA,
        None,
        "Labels in the order of their ids, with commas between. Left out: those of the "
        "training file, sorted, which are saved with the checkpoint.",
    )
    regression: bool = _flag(
        OWN_DATA, False, "The label is a number, learned by squared error."
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
    allow_changes: bool = _flag(
        _TRAINING,
        False,
        "Go on with the training in --output_dir even where it was begun otherwise.",
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

    iterations_per_loop: int = _flag(NO_EFFECT, 1000, "Served TPUs.", least=1)
    use_tpu: bool = _flag(NO_EFFECT, False, "Only false is accepted.")
    tpu_name: Optional[str] = _flag(NO_EFFECT, None, "Served TPUs.")
    tpu_zone: Optional[str] = _flag(NO_EFFECT, None, "Served TPUs.")
    gcp_project: Optional[str] = _flag(NO_EFFECT, None, "Served TPUs.")
    master: Optional[str] = _flag(NO_EFFECT, None, "Served TPUs.")
    num_tpu_cores: int = _flag(NO_EFFECT, 8, "Served TPUs.", least=1)

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


def kind_of(field):
    """The field's type, None aside."""
    if field.type in (str, bool, int, float):
        return field.type
    return next(kind for kind in field.type.__args__ if kind is not type(None))
