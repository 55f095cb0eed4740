"""Small record files that several tests read."""

from finetuning.data import records
from finetuning.data.features import InputFeatures

LENGTH = 4


def feature(index, label=0, truncated=False):
    """An example that its first token tells from all others."""
    return InputFeatures(
        input_ids=[index, 7, 3, 0],
        input_mask=[1, 1, 1, 0],
        segment_ids=[0, 0, 1, 0],
        label_id=label,
        truncated=truncated,
    )


def write(directory, rows):
    """Writes features to `train.tf_record` in a directory: `records.RecordFile`."""
    path = str(directory / "train.tf_record")
    count, _ = records.write_records(path, iter(rows))
    return records.RecordFile(path, count, LENGTH)
