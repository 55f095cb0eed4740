"""Schedule and optimiser, compared with steps worked out in numpy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import optimization
from encoder import mixed_precision

# What TensorFlow's kernel makes of 1 - 0.999 in float32: 1.3e-5 off.
REST = float(np.float32(1) - np.float32(0.999))
START = np.float32([0.5, -2.0, 1.0])


def rate_at(session, step, *arguments):
    return session.run(
        optimization.learning_rate_at(tf.constant(step, tf.int64), *arguments)
    )


@pytest.mark.parametrize(
    "step, num_warmup_steps, expected",
    [
        (0, 10, 0.0),
        (9, 10, 0.9),  # The last step of warm-up: 9 of 10.
        (10, 10, 0.9),  # The decay, which has been running all along: 1 - 10 / 100.
        (49, 50, 0.98),
        (50, 50, 0.5),  # The rate drops where a long warm-up ends.
        (99, 10, 0.01),
        (250, 10, 0.0),
        (0, 0, 1.0),
        (0, None, 1.0),
    ],
)
def test_learning_rate(session, step, num_warmup_steps, expected):
    rate = rate_at(session, step, 1.0, 100, num_warmup_steps)
    assert rate == pytest.approx(expected, abs=1e-7)


def adam(weight, gradients, rate, decay):
    """BERT's Adam in numpy; yields the weight and the moments after each step."""
    m = v = 0.0
    for gradient in gradients:
        m = 0.9 * m + 0.1 * gradient
        v = (1 - REST) * v + REST * gradient**2
        weight = weight - rate * (m / (np.sqrt(v) + 1e-6) + decay * weight)
        yield weight, m, v


def corrected_adam(weight, gradients, rates, decay):
    """Algorithm 1 of Kingma and Ba with decoupled decay; yields the weights."""
    m = v = 0.0
    for t, (gradient, rate) in enumerate(zip(gradients, rates), 1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        weight = weight - rate * (m_hat / (np.sqrt(v_hat) + 1e-6) + decay * weight)
        yield weight


@pytest.mark.parametrize("name, decay", [("kernel", 0.1), ("bias", 0.0)])
def test_steps_and_moments(session, name, decay):
    """`global_step` is left alone, and a variable without a gradient gets no slots."""
    gradients = np.array([[0.3, -1.0, 0.1], [0.0, 2.0, 0.1], [-5.0, 1e-4, 0.1]], "f")
    weight = tf.get_variable("scope/" + name, initializer=START)
    unused = tf.get_variable("unused", initializer=START)
    gradient = tf.placeholder(tf.float32, [3])
    global_step = tf.train.create_global_step()
    optimizer = optimization.AdamWeightDecayOptimizer(
        0.01, weight_decay_rate=0.1, exclude_from_weight_decay=["LayerNorm", "bias"]
    )
    pairs = [(gradient, weight), (None, unused)]
    update = optimizer.apply_gradients(pairs, global_step)
    session.run(tf.global_variables_initializer())
    assert tf.trainable_variables() == [weight, unused]
    variables = {v.op.name: v for v in tf.global_variables()}
    slots = ["scope/%s/adam_%s" % (name, slot) for slot in "mv"]
    assert set(variables) == {weight.op.name, "unused", "global_step", *slots}
    for fed, expected in zip(gradients, adam(START, gradients, 0.01, decay)):
        session.run(update, {gradient: fed})
        values = session.run([weight] + [variables[slot] for slot in slots])
        for value, wanted in zip(values, expected):
            np.testing.assert_allclose(value, wanted, rtol=1e-5)
    assert session.run(global_step) == 0


def test_each_step_trains_at_the_rate_of_the_finished_steps(session):
    """Step 0 trains at rate 0."""
    weight = tf.get_variable("w", initializer=[1.0, 2.0])
    step = optimization.create_train_step(tf.reduce_sum(weight**2), 0.1, 20, 5)
    session.run(tf.global_variables_initializer())
    rates = [session.run([step.learning_rate, step.train_op])[0]]
    np.testing.assert_array_equal(session.run(weight), [1.0, 2.0])
    for _ in range(19):
        rates.append(session.run([step.learning_rate, step.train_op])[0])
    expected = [rate_at(session, k, 0.1, 20, 5) for k in range(20)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert session.run(tf.train.get_global_step()) == 20
    assert np.all(session.run(weight) < [1.0, 2.0])


@pytest.mark.parametrize("norm, factor", [(5.0, 0.2), (0.5, 1.0)])
def test_gradients_are_clipped_together(session, norm, factor):
    """To a global norm of 1; smaller gradients stay as they are."""
    first = tf.get_variable("first", initializer=0.0)
    second = tf.get_variable("second", initializer=0.0)
    loss = norm * (0.6 * first + 0.8 * second)
    step = optimization.create_train_step(loss, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    assert session.run([step.gradient_norm, step.train_op])[0] == pytest.approx(norm)
    moments = {v.op.name: v for v in tf.global_variables()}
    expected = 0.1 * norm * factor
    assert session.run(moments["first/adam_m"]) == pytest.approx(0.6 * expected)
    assert session.run(moments["second/adam_m"]) == pytest.approx(0.8 * expected)


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
def test_which_variables_decay(session, name, decays):
    """With a gradient of 0, only the decay changes the weight: by rate * 0.01."""
    weight = tf.get_variable(name, initializer=1.0)
    step = optimization.create_train_step(0.0 * weight, 0.1, 10, 0)
    session.run(tf.global_variables_initializer())
    session.run(step.train_op)
    expected = 1 - 0.1 * 0.01 if decays else 1.0
    assert session.run(weight) == pytest.approx(expected, rel=1e-6)


def test_tpus_are_refused(session):
    weight = tf.get_variable("w", initializer=1.0)
    with pytest.raises(ValueError, match="TPU"):
        optimization.create_optimizer(weight**2, 0.1, 10, 0, use_tpu=True)


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
@pytest.mark.parametrize("combine", [None, lambda gradients, loss: (gradients, loss)])
def test_a_row_that_is_looked_up_twice_counts_once_in_the_norm(session, dtype, combine):
    table = tf.get_variable("table", initializer=np.ones([5, 2], "f"))
    rows = tf.gather(tf.convert_to_tensor(table), tf.constant([3, 1, 3], dtype))
    step = optimization.create_train_step(
        tf.reduce_sum(rows), 0.1, 10, 0, combine=combine
    )
    session.run(tf.global_variables_initializer())
    norm, _ = session.run([step.gradient_norm, step.train_op])
    assert norm == pytest.approx(np.sqrt(2 * 1.0 + 2 * 4.0), rel=1e-6)
    moved = (session.run(table) < 0.999).tolist()
    assert moved == [[row in (1, 3)] * 2 for row in range(5)]


# Few ops


class TwoWays:
    """The same training step with and without few ops, each in a session of its own."""

    def __init__(self, loss_scale=False):
        self.steps, self.sessions, self.factors = [], [], []
        for few_ops in (False, True):
            with tf.Graph().as_default():
                self.sessions.append(tf.Session())
                self.factors.append(tf.placeholder(tf.float32, []))
                scale = mixed_precision.LossScale() if loss_scale else None
                loss = self.loss() * self.factors[-1]
                self.steps.append(
                    optimization.create_train_step(
                        *(loss, 0.1, 40, 3), loss_scale=scale, few_ops=few_ops
                    )
                )
                self.sessions[-1].run(tf.global_variables_initializer())

    @staticmethod
    def loss():
        """Of a table, a word of which occurs twice, and weights of several sizes."""
        rng = np.random.RandomState(3)
        table = tf.get_variable("table", initializer=rng.randn(7, 16).astype("f"))
        kernel = tf.get_variable("kernel", initializer=rng.randn(16, 3).astype("f"))
        bias = tf.get_variable("bias", initializer=rng.randn(3).astype("f"))
        rows = tf.gather(tf.convert_to_tensor(table), tf.constant([3, 1, 3]))
        return tf.reduce_mean(tf.square(tf.matmul(rows, kernel) + bias))

    def run(self, factor=1.0):
        """One step; returns each way's norm and all its variables."""
        results = []
        for step, session, placeholder in zip(self.steps, self.sessions, self.factors):
            with session.graph.as_default():
                fetches = step.train_op, step.gradient_norm
                _, norm = session.run(fetches, {placeholder: factor})
                values = session.run({v.op.name: v for v in tf.global_variables()})
                results.append(dict(values, norm=norm))
        return results


def test_few_ops_change_no_update():
    both = TwoWays()
    for factor in (1.0, 1e-3, 2.0, 1.0):  # With and without clipping.
        many, few = both.run(factor)
        for name, value in many.items():
            np.testing.assert_allclose(
                few[name], value, rtol=1e-5, atol=1e-6, err_msg=name
            )


@pytest.mark.parametrize("factor", [np.inf, np.nan])
def test_an_overflow_changes_nothing_but_the_counters(factor):
    both = TwoWays(loss_scale=True)
    before = both.run()
    for way, after in zip(before, both.run(factor)):
        changed = {name for name in way if np.any(after[name] != way[name])}
        counters = {"scale", "skipped_steps", "good_steps"}
        assert changed == {"loss_scale/" + n for n in counters} | {
            "global_step",
            "norm",
        }
    assert all(after["loss_scale/skipped_steps"] == 1 for after in both.run())


# Bias correction


class Corrected:
    """A training step with bias correction on one weight, whose gradient is fed."""

    def __init__(self, session, num_warmup_steps=0, name="bias", loss_scale=None):
        self.session = session
        self.weight = tf.get_variable(name, initializer=START)
        self.gradient = tf.placeholder(tf.float32, [3])
        self.rates = [rate_at(session, k, 0.1, 40, num_warmup_steps) for k in range(30)]
        self.step = optimization.create_train_step(
            tf.reduce_sum(self.weight * self.gradient),
            0.1,
            40,
            num_warmup_steps,
            loss_scale=loss_scale,
            bias_correction=True,
        )
        session.run(tf.global_variables_initializer())

    def run(self, gradient, session=None):
        session = session or self.session
        session.run(self.step.train_op, {self.gradient: gradient})
        return session.run(self.weight)


def random_gradients(count):
    """Gradients with norms below 1, so that none is clipped; some are near epsilon."""
    rng = np.random.RandomState(5)
    return (rng.uniform(-0.4, 0.4, [count, 3]) * [1, 1e-3, 1e-6]).astype(np.float32)


@pytest.mark.parametrize("name, decay", [("kernel", 0.01), ("bias", 0.0)])
def test_corrected_steps_are_those_of_algorithm_1(session, name, decay):
    corrected = Corrected(session, num_warmup_steps=4, name=name)
    gradients = random_gradients(30)
    expected = corrected_adam(START, gradients, corrected.rates, decay)
    for gradient, weight in zip(gradients, expected):
        # In float32, 1 - 0.999 has a relative error of 1.3e-5.
        np.testing.assert_allclose(
            corrected.run(gradient), weight, rtol=2e-5, atol=1e-6
        )


def test_correction_needs_no_variables_of_its_own(session):
    """The restored global step tells how many updates the moments have seen."""
    corrected = Corrected(session)
    gradients = random_gradients(6)
    names = {variable.op.name for variable in tf.global_variables()}
    assert names == {"bias", "bias/adam_m", "bias/adam_v", "global_step"}
    for gradient in gradients[:3]:
        corrected.run(gradient)
    saved = {v: session.run(v) for v in tf.global_variables()}
    with tf.Session() as other:
        for variable, value in saved.items():
            variable.load(value, other)
        for gradient in gradients[3:]:
            np.testing.assert_array_equal(
                corrected.run(gradient), corrected.run(gradient, other)
            )


def test_steps_that_overflow_do_not_count_in_the_correction(session):
    loss_scale = mixed_precision.LossScale()
    corrected = Corrected(session, loss_scale=loss_scale)
    gradients = random_gradients(8)
    overflow = {0, 3, 4}
    gradients[list(overflow)] = np.inf
    done = [k for k in range(8) if k not in overflow]
    rates = [corrected.rates[k] for k in done]
    expected = corrected_adam(START, gradients[done], rates, 0.0)
    weight = START
    for k, gradient in enumerate(gradients):
        weight = weight if k in overflow else next(expected)
        np.testing.assert_allclose(
            corrected.run(gradient), weight, rtol=2e-5, atol=1e-6
        )
    assert session.run(loss_scale.skipped_steps) == 3
