"""The one table of what can be fetched: addresses, sizes, hashes, rows.

GLUE's files, and the counts that finetuning/tasks.py holds: dataset_infos.json of
datasets/glue in https://github.com/huggingface/datasets. The checkpoints' addresses:
https://github.com/google-research/bert; the hashes of the files in them:
GooglePretrainedWeightDownloader.py of TensorFlow/LanguageModeling/BERT in
https://github.com/NVIDIA/DeepLearningExamples. For the zips themselves none is known.
"""

import difflib
from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from finetuning.data import tasks
from finetuning.utils.errors import InputError

GLUE_HOST = "https://dl.fbaipublicfiles.com"
BERT_HOST = "https://storage.googleapis.com/bert_models"


def size_in_words(count):
    """A number of bytes for people."""
    if count < 1e6:
        return "%.1f kB" % (count / 1e3)
    return "%s MB" % format(count / 1e6, ",.1f")


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    Attributes:
      host: where its address begins; --base_url stands in for it.
      path: the rest of its address.
      size: bytes, or None where that is not known.
      sha256: in hexadecimal, or None where that is not known.
    """

    host: str
    path: str
    size: Optional[int] = None
    sha256: Optional[str] = None

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    def url(self, base_url=None):
        return "%s/%s" % ((base_url or self.host).rstrip("/"), self.path)


@dataclass(frozen=True)
class GlueTask:
    """A task's data.

    Attributes:
      name: of the task and of its folder.
      remotes: what is fetched; one zip, one table, or what tables are made from.
      rows: table in the folder -> how many examples it holds.
      headless: tables whose first line is an example.
    """

    name: str
    remotes: Tuple[Remote, ...]
    rows: Mapping[str, int]
    headless: Tuple[str, ...] = ()

    @property
    def about(self):
        size = sum(remote.size for remote in self.remotes)
        return "%s to fetch" % size_in_words(size)


@dataclass(frozen=True)
class Checkpoint:
    """Weights published by Google.

    Attributes:
      name: of the checkpoint and of its folder.
      about: a few words for people.
      remote: its zip.
      vocabulary: how many entries its vocab.txt holds.
      shape: layers, hidden size and heads.
      sha256: file in the zip -> its hash; empty where none is published.
    """

    name: str
    about: str
    remote: Remote
    vocabulary: int
    shape: Tuple[int, int, int]
    sha256: Mapping[str, str] = field(default_factory=dict)


def _glue(path, size, sha256):
    return Remote(GLUE_HOST, path, size, sha256)


def _rows(name):
    """Table of a task -> its rows, by Hugging Face's count where there are two."""
    task = tasks.find_task(name)
    return {
        split.file: split.other_rows or split.rows
        for split in task.train + task.dev + task.test
    }


_GLUE_ROWS = (
    GlueTask(
        "CoLA",
        (
            _glue(
                "glue/data/CoLA.zip",
                376971,
                "f212fcd832b8f7b435fb991f101abf89f96b933ab400603bf198960dfc32cbff",
            ),
        ),
        _rows("CoLA"),
        headless=("train.tsv", "dev.tsv"),
    ),
    GlueTask(
        "SST-2",
        (
            _glue(
                "glue/data/SST-2.zip",
                7439277,
                "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
            ),
        ),
        _rows("SST-2"),
    ),
    GlueTask(
        "MRPC",
        (
            _glue(
                "senteval/senteval_data/msr_paraphrase_train.txt",
                1047044,
                "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
            ),
            _glue(
                "senteval/senteval_data/msr_paraphrase_test.txt",
                441275,
                "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
            ),
            _glue(
                "glue/data/mrpc_dev_ids.tsv",
                6222,
                "971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
            ),
        ),
        _rows("MRPC"),
    ),
    GlueTask(
        "STS-B",
        (
            _glue(
                "glue/data/STS-B.zip",
                802872,
                "e60a6393de5a8b5b9bac5020a1554b54e3691f9d600b775bd131e613ac179c85",
            ),
        ),
        _rows("STS-B"),
    ),
    GlueTask(
        "QQP",
        (
            _glue(
                "glue/data/QQP-clean.zip",
                41696084,
                "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0",
            ),
        ),
        _rows("QQP"),
    ),
    GlueTask(
        "MNLI",
        (
            _glue(
                "glue/data/MNLI.zip",
                312783507,
                "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633",
            ),
        ),
        _rows("MNLI"),
    ),
    GlueTask(
        "QNLI",
        (
            _glue(
                "glue/data/QNLIv2.zip",
                10627589,
                "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5",
            ),
        ),
        _rows("QNLI"),
    ),
    GlueTask(
        "RTE",
        (
            _glue(
                "glue/data/RTE.zip",
                697150,
                "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee",
            ),
        ),
        _rows("RTE"),
    ),
    GlueTask(
        "WNLI",
        (
            _glue(
                "glue/data/WNLI.zip",
                28999,
                "ae0e8e4d16f4d46d4a0a566ec7ecceccfd3fbfaa4a7a4b4e02848c0f2561ac46",
            ),
        ),
        _rows("WNLI"),
    ),
    GlueTask(
        "AX",
        (
            _glue(
                "glue/data/AX.tsv",
                222257,
                "0e13510b1bb14436ff7e2ee82338f0efb0133ecf2e73507a697dc210db3f05fd",
            ),
        ),
        _rows("AX"),
    ),
)

WEIGHTS = "bert_model.ckpt.data-00000-of-00001"
INDEX = "bert_model.ckpt.index"
VOCABULARY = "vocab.txt"
CONFIG = "bert_config.json"

_BASE = (12, 768, 12)
_LARGE = (24, 1024, 16)
_UNCASED_VOCABULARY = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_CASED_VOCABULARY = "eeaa9875b23b04b4c54ef759d03db9d1ba1554838f8fb26c5d96fa551df93d02"


def _published(folder, name, about, entries, shape, hashes=None):
    """A `Checkpoint`; hashes are of the weights, the vocabulary and the config."""
    remote = Remote(BERT_HOST, "%s/%s.zip" % (folder, name))
    sha256 = dict(zip((WEIGHTS, VOCABULARY, CONFIG), hashes or ()))
    return Checkpoint(name, about, remote, entries, shape, sha256)


_CHECKPOINT_ROWS = (
    _published(
        "2018_10_18",
        "uncased_L-12_H-768_A-12",
        "BERT-Base, uncased",
        30522,
        _BASE,
        (
            "58580dc5e0bf0ae0d2efd51d0e8272b2f808857f0a43a88aaf7549da6d7a8a84",
            _UNCASED_VOCABULARY,
            "7b4e5f53efbd058c67cda0aacfafb340113ea1b5797d9ce6ee411704ba21fcbc",
        ),
    ),
    _published(
        "2018_10_18",
        "uncased_L-24_H-1024_A-16",
        "BERT-Large, uncased",
        30522,
        _LARGE,
        (
            "bc6b3363e3be458c99ecf64b7f472d2b7c67534fd8f564c0556a678f90f4eea1",
            _UNCASED_VOCABULARY,
            "bfa42236d269e2aeb3a6d30412a33d15dbe8ea597e2b01dc9518c63cc6efafcb",
        ),
    ),
    _published(
        "2018_10_18",
        "cased_L-12_H-768_A-12",
        "BERT-Base, cased",
        28996,
        _BASE,
        (
            "734d5a1b68bf98d4e9cb6b6692725d00842a1937af73902e51776905d8f760ea",
            _CASED_VOCABULARY,
            "f11dfb757bea16339a33e1bf327b0aade6e57fd9c29dc6b84f7ddb20682f48bc",
        ),
    ),
    _published(
        "2018_10_18",
        "cased_L-24_H-1024_A-16",
        "BERT-Large, cased",
        28996,
        _LARGE,
        (
            "6ff33640f40d472f7a16af0c17b1179ca9dcc0373155fb05335b6a4dd1657ef0",
            _CASED_VOCABULARY,
            "7adb2125c8225da495656c982fd1c5f64ba8f20ad020838571a3f8a954c2df57",
        ),
    ),
    _published(
        "2019_05_30",
        "wwm_uncased_L-24_H-1024_A-16",
        "BERT-Large, uncased, whole words masked",
        30522,
        _LARGE,
    ),
    _published(
        "2019_05_30",
        "wwm_cased_L-24_H-1024_A-16",
        "BERT-Large, cased, whole words masked",
        28996,
        _LARGE,
    ),
    _published(
        "2018_11_23",
        "multi_cased_L-12_H-768_A-12",
        "BERT-Base, multilingual, cased",
        119547,
        _BASE,
        (
            "55b8a2df41f69c60c5180e50a7c31b7cdf6238909390c4ddf05fbc0d37aa1ac5",
            "fe0fda7c425b48c516fc8f160d594c8022a0808447475c1a7c6d6479763f310c",
            "e76c3964bc14a8bb37a5530cdc802699d2f4a6fddfab0611e153aa2528f234f0",
        ),
    ),
    _published(
        "2018_11_03",
        "multilingual_L-12_H-768_A-12",
        "BERT-Base, multilingual, uncased (old)",
        105879,
        _BASE,
        (
            "3cd83912ebeb0efe2abf35c9f1d5a515d8e80295e61c49b75c8853f756658429",
            "87b44292b452f6c05afa49b2e488e7eedf79ea4f4c39db6f2f4b37764228ef3f",
            "49063bb061390211d2fdd108cada1ed86faa5f90b80c8f6fdddf406afa4c4624",
        ),
    ),
    _published(
        "2018_11_03",
        "chinese_L-12_H-768_A-12",
        "BERT-Base, Chinese",
        21128,
        _BASE,
        (
            "756699356b78ad0ef1ca9ba6528297bcb3dd1aef5feadd31f4775d7c7fc989ba",
            "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c",
            "7aaad0335058e2640bcb2c2e9a932b1cd9da200c46ea7b8957d54431f201c015",
        ),
    ),
)

_NAMES = {(2, 128): "Tiny", (4, 256): "Mini", (4, 512): "Small", (8, 512): "Medium"}


def _miniature(layers, hidden):
    heads = hidden // 64
    file_name = "uncased_L-%d_H-%d_A-%d" % (layers, hidden, heads)
    # BERT-Base was trained anew with the miniatures, and its zip has the old name.
    anew = (layers, hidden, heads) == _BASE
    known = _NAMES.get((layers, hidden))
    about = "miniature" + (", BERT-%s" % known if known else "")
    return Checkpoint(
        file_name + "_2020" if anew else file_name,
        "BERT-Base, uncased, as the miniatures" if anew else about,
        Remote(BERT_HOST, "2020_02_20/%s.zip" % file_name),
        30522,
        (layers, hidden, heads),
    )


_MINIATURES = tuple(
    _miniature(layers, hidden)
    for layers in (2, 4, 6, 8, 10, 12)
    for hidden in (128, 256, 512, 768)
)

GLUE_TASKS = {row.name: row for row in _GLUE_ROWS}
CHECKPOINTS = {row.name: row for row in _CHECKPOINT_ROWS + _MINIATURES}


def find(name, rows, kind):
    """The row of that name, in any case.

    Args:
      name: as the user wrote it.
      rows: `GLUE_TASKS` or `CHECKPOINTS`.
      kind: "task" or "checkpoint", for the message.

    Raises:
      InputError: there is none; with the nearest.
    """
    by_name = {row.name.lower(): row for row in rows.values()}
    found = by_name.get(name.lower())
    if found is not None:
        return found
    # Others call them otherwise: bert-base-uncased, for one.
    described = {row.about.lower(): row for row in rows.values()}
    described.update(by_name)
    near = difflib.get_close_matches(name.lower(), described, n=1)
    hint = "did you mean %s? " % described[near[0]].name if near else ""
    raise InputError(
        "The %s %r is unknown; %s--list, or no name at all, shows all of them"
        % (kind, name, hint)
    )
