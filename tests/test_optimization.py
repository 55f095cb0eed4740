"""Schedule and optimiser, against steps worked out in numpy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import optimization
from encoder import mixed_precision


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def rate_at(session, step, *arguments):
    return session.run(
        optimization.learning_rate_at(tf.constant(step, tf.int64), *arguments)
    )


@pytest.mark.parametrize(
    "step, expected",
    [
        (0, 0.0),
        (9, 0.9),  # The last step of warm-up: 9 of 10.
        (10, 0.9),  # The decay, which ran all along: 1 - 10 / 100.
        (50, 0.5),
        (99, 0.01),
        (100, 0.0),
        (250, 0.0),
    ],
)
def test_learning_rate(session, step, expected):
    assert rate_at(session, step, 1.0, 100, 10) == pytest.approx(expected, abs=1e-7)


def test_rate_drops_where_warm_up_ends(session):
    """With half of the steps in warm-up, from 0.98 to 0.5."""
    assert rate_at(session, 49, 1.0, 100, 50) == pytest.approx(0.98)
    assert rate_at(session, 50, 1.0, 100, 50) == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [0, None])
def test_without_warm_up(session, warmup):
    assert rate_at(session, 0, 2.0, 10, warmup) == 2.0


# What TensorFlow's kernel makes of 1 - 0.999 in float32: 1.3e-5 off.
REST = float(np.float32(1) - np.float32(0.999))


def adam(weight, gradients, rate, decay, steps_m=0.0, steps_v=0.0):
    """The contract's Adam in numpy; yields the weight and moments after each step."""
    m, v = steps_m, steps_v
    for gradient in gradients:
        m = 0.9 * m + 0.1 * gradient
        v = (1 - REST) * v + REST * gradient**2
        weight = weight - rate * (m / (np.sqrt(v) + 1e-6) + decay * weight)
        yield weight, m, v


def test_first_step_by_hand(session):
    """M = 0.1, v = 0.001: 1 - 0.5 * 0.1 / (sqrt(0.001) + 1e-6), no bias correction."""
    weight = tf.get_variable("w", initializer=1.0)
    optimizer = optimization.AdamWeightDecayOptimizer(0.5)
    update = optimizer.apply_gradients([(tf.constant(1.0), weight)])
    session.run(tf.global_variables_initializer())
    session.run(update)
    expected = 1 - 0.05 / (np.sqrt(REST) + 1e-6)
    assert session.run(weight) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name, decay", [("kernel", 0.1), ("bias", 0.0)])
def test_steps_and_slots(session, name, decay):
    start = np.array([0.5, -2.0], "f")
    gradients = np.array([[0.3, -1.0], [0.0, 2.0], [-5.0, 1e-4]], "f")
    weight = tf.get_variable("scope/" + name, initializer=start)
    gradient = tf.placeholder(tf.float32, [2])
    optimizer = optimization.AdamWeightDecayOptimizer(
        0.01, weight_decay_rate=0.1, exclude_from_weight_decay=["LayerNorm", "bias"]
    )
    update = optimizer.apply_gradients([(gradient, weight)])
    session.run(tf.global_variables_initializer())
    slots = {v.op.name: v for v in tf.global_variables() if v is not weight}
    prefix = "scope/%s/adam_" % name
    assert set(slots) == {prefix + "m", prefix + "v"}
    assert weight in tf.trainable_variables() and len(tf.trainable_variables()) == 1
    for fed, expected in zip(gradients, adam(start, gradients, 0.01, decay)):
        session.run(update, {gradient: fed})
        found = session.run([weight, slots[prefix + "m"], slots[prefix + "v"]])
        for value, wanted in zip(found, expected):
            np.testing.assert_allclose(value, wanted, rtol=1e-5)


def test_variables_without_gradient_are_passed_over(session):
    weight = tf.get_variable("w", initializer=1.0)
    optimizer = optimization.AdamWeightDecayOptimizer(0.5)
    optimizer.apply_gradients([(None, weight)])
    assert len(tf.global_variables()) == 1


def test_apply_gradients_leaves_the_global_step_alone(session):
    step = tf.train.create_global_step()
    weight = tf.get_variable("w", initializer=1.0)
    optimizer = optimization.AdamWeightDecayOptimizer(0.5)
    update = optimizer.apply_gradients([(tf.constant(1.0), weight)], step)
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run(step) == 0


def test_train_step_takes_the_rate_of_the_steps_done(session):
    """Over many steps the rate is the schedule's at each, and the step counts up."""
    weight = tf.get_variable("w", initializer=[1.0, 2.0])
    step = optimization.create_train_step(tf.reduce_sum(weight**2), 0.1, 20, 5)
    session.run(tf.global_variables_initializer())
    rates = [session.run([step.learning_rate, step.train_op])[0] for _ in range(20)]
    expected = [rate_at(session, k, 0.1, 20, 5) for k in range(20)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert session.run(tf.train.get_global_step()) == 20


def test_step_zero_trains_at_rate_zero(session):
    weight = tf.get_variable("w", initializer=[1.0, 2.0])
    step = optimization.create_train_step(tf.reduce_sum(weight**2), 0.1, 20, 5)
    session.run(tf.global_variables_initializer())
    session.run(step.train_op)
    np.testing.assert_array_equal(session.run(weight), [1.0, 2.0])
    session.run(step.train_op)
    assert np.all(session.run(weight) < [1.0, 2.0])


def test_gradients_are_clipped_together(session):
    """Norm 5 over both variables: each gradient is divided by 5, none on its own."""
    first = tf.get_variable("first", initializer=0.0)
    second = tf.get_variable("second", initializer=0.0)
    step = optimization.create_train_step(3.0 * first + 4.0 * second, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    assert session.run([step.gradient_norm, step.train_op])[0] == pytest.approx(5.0)
    moments = {v.op.name: v for v in tf.global_variables()}
    assert session.run(moments["first/adam_m"]) == pytest.approx(0.1 * 0.6)
    assert session.run(moments["second/adam_m"]) == pytest.approx(0.1 * 0.8)


def test_small_gradients_are_not_clipped(session):
    weight = tf.get_variable("w", initializer=0.0)
    step = optimization.create_train_step(0.5 * weight, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    session.run(step.train_op)
    moments = {v.op.name: v for v in tf.global_variables()}
    assert session.run(moments["w/adam_m"]) == pytest.approx(0.05)


def test_norm_counts_rows_of_one_word_merged(session):
    """A word that occurs twice has one gradient, the sum: norm 2, not sqrt(2)."""
    table = tf.get_variable("table", initializer=np.ones((3, 1), "f"))
    loss = tf.reduce_sum(tf.gather(table, [1, 1]))
    step = optimization.create_train_step(loss, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    assert session.run(step.gradient_norm) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "name, decays",
    [
        ("bert/encoder/layer_0/output/dense/kernel", True),
        ("bert/embeddings/word_embeddings", True),
        ("output_weights", True),
        ("bert/encoder/layer_0/output/dense/bias", False),
        ("bert/encoder/layer_0/output/LayerNorm/gamma", False),
        ("layer_norm/gamma", False),
        ("output_bias", False),
    ],
)
def test_what_decays(session, name, decays):
    """Zero gradient: only decay moves the weight, by rate * 0.01 of it."""
    weight = tf.get_variable(name, initializer=1.0)
    step = optimization.create_train_step(0.0 * weight, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    session.run(step.train_op)
    expected = 1 - 0.1 * 0.01 if decays else 1.0
    assert session.run(weight) == pytest.approx(expected, rel=1e-6)


def test_tpu_is_refused(session):
    weight = tf.get_variable("w", initializer=1.0)
    with pytest.raises(ValueError, match="TPU"):
        optimization.create_optimizer(weight**2, 0.1, 10, 0, use_tpu=True)


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
@pytest.mark.parametrize("static_shapes", [True, False])
def test_rows_of_a_table_by_ids_of_either_type(session, dtype, static_shapes):
    """A row that is looked up twice counts once in the norm, as the sum of both."""
    table = tf.get_variable("table", initializer=np.ones([5, 2], "f"))
    rows = tf.gather(tf.convert_to_tensor(table), tf.constant([3, 1, 3], dtype))
    step = optimization.create_train_step(
        tf.reduce_sum(rows), 0.1, 10, 0, static_shapes=static_shapes
    )
    session.run(tf.global_variables_initializer())
    norm, _ = session.run([step.gradient_norm, step.train_op])
    assert norm == pytest.approx(np.sqrt(2 * 1.0 + 2 * 4.0), rel=1e-6)
    moved = session.run(table) < 0.999
    assert moved.tolist() == [
        [False] * 2,
        [True] * 2,
        [False] * 2,
        [True] * 2,
        [False] * 2,
    ]


# Bias correction


def algorithm_1(start, gradients, rates, decay):
    """Adam of Kingma and Ba, algorithm 1, with decoupled decay, in float64.

    Yields the weight after each step; the rate is the step's own.
    """
    weight, m, v = np.float64(start), 0.0, 0.0
    for t, (gradient, rate) in enumerate(zip(gradients, rates), 1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat = m / (1 - 0.9**t)
        v_hat = v / (1 - 0.999**t)
        weight = weight - rate * (m_hat / (np.sqrt(v_hat) + 1e-6) + decay * weight)
        yield weight


def random_gradients(count):
    """Below the norm of 1, so that none is clipped; some are as small as epsilon."""
    rng = np.random.RandomState(5)
    return (rng.uniform(-0.4, 0.4, [count, 3]) * [1, 1e-3, 1e-6]).astype(np.float32)


@pytest.mark.parametrize("name, decay", [("kernel", 0.01), ("bias", 0.0)])
def test_corrected_steps_are_those_of_algorithm_1(session, name, decay):
    start = np.float32([0.5, -2.0, 1.0])
    gradients = random_gradients(30)
    weight = tf.get_variable(name, initializer=start)
    gradient = tf.placeholder(tf.float32, [3])
    step = optimization.create_train_step(
        tf.reduce_sum(weight * gradient), 0.1, 40, 4, bias_correction=True
    )
    session.run(tf.global_variables_initializer())
    rates = [rate_at(session, k, 0.1, 40, 4) for k in range(30)]
    for fed, expected in zip(gradients, algorithm_1(start, gradients, rates, decay)):
        session.run(step.train_op, {gradient: fed})
        # float32 holds 1 - 0.999 to 1.3e-5.
        np.testing.assert_allclose(session.run(weight), expected, rtol=2e-5, atol=1e-6)


def test_the_kernels_own_place_of_epsilon_would_be_noticed():
    """The test's own test: beside the root that is not corrected, epsilon is larger."""
    gradient = 4e-7
    m, v = 0.1 * gradient, 0.001 * gradient**2
    corrected = (m / 0.1) / (np.sqrt(v / 0.001) + 1e-6)
    other = np.sqrt(0.001) / 0.1 * m / (np.sqrt(v) + 1e-6)
    assert corrected > 10 * other


def test_first_corrected_step_by_hand(session):
    """Whatever the gradient is: 1 - 0.5 * g / (|g| + 1e-6)."""
    weight = tf.get_variable("bias", initializer=[1.0, 1.0])
    loss = tf.reduce_sum(weight * [0.25, -0.001])
    step = optimization.create_train_step(loss, 0.5, 10, 0, bias_correction=True)
    session.run(tf.global_variables_initializer())
    session.run(step.train_op)
    expected = [1 - 0.5 * 0.25 / (0.25 + 1e-6), 1 + 0.5 * 0.001 / (0.001 + 1e-6)]
    np.testing.assert_allclose(session.run(weight), expected, rtol=2e-5)


def test_nothing_is_corrected_unless_so_asked(session):
    gradients = random_gradients(5)
    start = np.float32([0.5, -2.0, 1.0])
    weight = tf.get_variable("bias", initializer=start)
    gradient = tf.placeholder(tf.float32, [3])
    step = optimization.create_train_step(tf.reduce_sum(weight * gradient), 0.1, 9, 0)
    session.run(tf.global_variables_initializer())
    rates = [rate_at(session, k, 0.1, 9, 0) for k in range(5)]
    m = v = 0.0
    expected = start.astype(np.float64)
    for fed, rate in zip(gradients, rates):
        m = 0.9 * m + 0.1 * fed
        v = (1 - REST) * v + REST * fed**2
        expected = expected - rate * m / (np.sqrt(v) + 1e-6)
        session.run(step.train_op, {gradient: fed})
        np.testing.assert_allclose(session.run(weight), expected, rtol=1e-5)


def test_correction_goes_on_with_the_step_that_is_restored(session):
    """It has no variables of its own: the global step says how far the moments are."""
    start = np.float32([0.5, -2.0, 1.0])
    gradients = random_gradients(6)
    weight = tf.get_variable("bias", initializer=start)
    gradient = tf.placeholder(tf.float32, [3])
    step = optimization.create_train_step(
        tf.reduce_sum(weight * gradient), 0.1, 10, 0, bias_correction=True
    )
    names = {variable.op.name for variable in tf.global_variables()}
    assert names == {"bias", "bias/adam_m", "bias/adam_v", "global_step"}
    session.run(tf.global_variables_initializer())
    for fed in gradients[:3]:
        session.run(step.train_op, {gradient: fed})
    saved = {v: session.run(v) for v in tf.global_variables()}
    with tf.Session() as other:
        for variable, value in saved.items():
            variable.load(value, other)
        for fed in gradients[3:]:
            session.run(step.train_op, {gradient: fed})
            other.run(step.train_op, {gradient: fed})
            np.testing.assert_array_equal(session.run(weight), other.run(weight))


def test_steps_that_overflow_do_not_count_in_the_correction(session):
    """The moments have seen as many gradients as the correction says."""
    start = np.float32([0.5, -2.0, 1.0])
    gradients = random_gradients(8)
    overflow = {0, 3, 4}
    weight = tf.get_variable("bias", initializer=start)
    gradient = tf.placeholder(tf.float32, [3])
    step = optimization.create_train_step(
        tf.reduce_sum(weight * gradient),
        0.1,
        20,
        0,
        loss_scale=mixed_precision.LossScale(),
        bias_correction=True,
    )
    session.run(tf.global_variables_initializer())
    done = [k for k in range(8) if k not in overflow]
    rates = [rate_at(session, k, 0.1, 20, 0) for k in done]
    expected = algorithm_1(start, gradients[done], rates, 0.0)
    for k, fed in enumerate(gradients):
        before = session.run(weight)
        fed = np.full(3, np.inf, np.float32) if k in overflow else fed
        session.run(step.train_op, {gradient: fed})
        wanted = before if k in overflow else next(expected)
        np.testing.assert_allclose(session.run(weight), wanted, rtol=2e-5, atol=1e-6)
    skipped = [v for v in tf.global_variables() if "skipped_steps" in v.op.name]
    assert session.run(skipped) == [3]
