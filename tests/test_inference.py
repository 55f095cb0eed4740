"""Running the model over a whole set, in a session of its own."""

from dataclasses import replace

import models
import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import checkpoints, classifier, inference, records
from finetuning.features import PackedExample


def saved_weights(config, path):
    """`checkpoints.Contents` of a checkpoint with random weights."""
    features = models.random_features(np.random.RandomState(0), config, [3], 4)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        held = {name: tf.constant(value) for name, value in features.items()}
        classifier.inference_graph(config, 2, held)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, path)
    return checkpoints.read_contents(prefix, config, 2)


def test_predictions_are_those_of_any_batch_size_in_file_order(tmp_path):
    rng = np.random.RandomState(3)
    config = models.tiny_config()
    rows = [
        PackedExample(rng.randint(1, 50, n).tolist(), 2, int(rng.randint(2)), False)
        for n in rng.randint(2, 17, 30)
    ]
    path = str(tmp_path / "eval.tf_record")
    records.write_packed_records(path, rows, 16)
    job = inference.Inference(
        config=config,
        num_labels=2,
        contents=saved_weights(config, str(tmp_path / "model.ckpt")),
        examples=records.RecordFile(path, len(rows), 16),
        batch_size=1,
        seed=1,
        label="evaluation",
    )
    by_one = inference.infer(job)
    assert by_one.label_ids.tolist() == [row.label_id for row in rows]
    assert np.ptp(by_one.probabilities[:, 0]) > 0.01  # They can be told apart.
    padded = classifier.Execution(pad_to=8)
    for size, execution in (
        (3, classifier.PLAIN),
        (100, classifier.PLAIN),
        (4, padded),
    ):
        found = inference.infer(replace(job, batch_size=size, execution=execution))
        for ours, expected in zip(found, by_one):
            np.testing.assert_allclose(ours, expected, atol=1e-6)
