"""Sums over all workers, computed by TensorFlow's collective operations.

Each worker has a TensorFlow server and a session of its own, and builds the same graph.
An operation that sums waits until all workers have reached it. The servers find each
other's tensors over gRPC, or over NCCL on GPUs; see
https://www.tensorflow.org/api_docs/python/tf/raw_ops/CollectiveReduce
"""

import atexit
import contextlib
import socket

import tensorflow.compat.v1 as tf

from finetuning.device import backend, failures
from finetuning.utils.errors import InputError

# Smaller sums wait longer for the network, and larger ones start later.
_CHUNK_BYTES = 4 << 20
# The operations of a group run on devices of one kind.
_MODEL_GROUP, _HOST_GROUP = 1, 2
_JOB = "worker"


class Alone:
    """The only worker of an ordinary run, which needs no server."""

    target = ""

    def placement(self):
        return contextlib.nullcontext()

    def configure(self, config):
        del config

    def broadcast(self, variables):
        del variables
        return []


ALONE = Alone()


class Collectives:
    """The TensorFlow server of this worker, and sums over all of them.

    All workers must create the same sums in the same order, because an operation finds
    its counterparts by its number.

    Attributes:
      target: the server's address, for `tf.Session` and the like.
    """

    def __init__(self, cluster, device_kind, config):
        """Starts the server, and waits for those of the other workers.

        Args:
          cluster: `cluster.Cluster`.
          device_kind: "GPU" or "CPU", where the model is computed.
          config: `tf.ConfigProto` of the server.

        Raises:
          InputError: the server cannot start.
        """
        self._index, self._count = cluster.index, cluster.count
        self._on_gpu = device_kind == "GPU"
        self._next_key = 1
        self.configure(config)
        ports = _exchange_ports(cluster)
        hosts = [cluster.address_of(index)[0] for index in range(cluster.count)]
        addresses = ["%s:%d" % pair for pair in zip(map(_bracketed, hosts), ports)]
        try:
            self._server = tf.distribute.Server(
                tf.train.ClusterSpec({_JOB: addresses}),
                job_name=_JOB,
                task_index=self._index,
                config=config,
            )
        except tf.errors.OpError as error:
            raise InputError(
                "TensorFlow's server cannot start at %s: %s; rerun the same command on "
                "all workers" % (addresses[self._index], failures.reason(error))
            ) from None
        self.target = self._server.target
        # 1.14's servers fail when they are deleted after TensorFlow's modules.
        atexit.register(self._delete_server)
        # Nothing is sent to a server that has not started yet.
        cluster.gather()
        cluster.broadcast()

    def _delete_server(self):
        self._server = None

    def placement(self):
        """A context in which operations are placed on this worker."""
        return tf.device("/job:%s/task:%d" % (_JOB, self._index))

    def configure(self, config):
        """Sets what every session of a worker needs in a `tf.ConfigProto`."""
        config.device_filters.append("/job:%s/task:%d" % (_JOB, self._index))
        config.experimental.collective_group_leader = "/job:%s/replica:0/task:0" % _JOB
        if self._on_gpu:
            backend.enable_nccl(config)

    def sum(self, tensors, on_host=False):
        """Sums dense tensors over the workers; each worker gets the same bits.

        Neighbours are summed together in chunks, and large tensors in several.

        Args:
          tensors: tensors of one type, whose shapes are known.
          on_host: whether the operations run on CPUs.

        Returns:
          List of tensors.
        """
        sums = []
        for group in _grouped(tensors):
            # NCCL stops forever if two GPUs start its sums in different orders.
            before = sums[-1:] if self._on_gpu else []
            with tf.control_dependencies(before):
                sums += self._sum_together(group, on_host)
        return sums

    def _sum_together(self, tensors, on_host):
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
        size = flat.shape.num_elements()
        limit = max(_CHUNK_BYTES // flat.dtype.size, 1)
        lengths = [min(limit, size - start) for start in range(0, size, limit)]
        chunks = []
        for chunk in tf.split(flat, lengths):
            with tf.control_dependencies(chunks[-1:] if self._on_gpu else []):
                chunks.append(self._reduce(chunk, on_host))
        parts = tf.split(
            tf.concat(chunks, axis=0),
            [tensor.shape.num_elements() for tensor in tensors],
        )
        return [tf.reshape(part, t.shape) for part, t in zip(parts, tensors)]

    def _reduce(self, tensor, on_host):
        key, self._next_key = self._next_key, self._next_key + 1
        group = _HOST_GROUP if on_host else _MODEL_GROUP
        with tf.device("/cpu:0" if on_host else None):
            return backend.all_reduce(
                tensor, self._count, group, key, self._on_gpu and not on_host
            )

    def mean(self, tensors):
        """Means over the workers of dense tensors, see `sum`."""
        return [total / self._count for total in self.sum(tensors)]

    def broadcast(self, variables):
        """The op that sets variables on all workers to those of worker 0.

        Args:
          variables: variables with known shapes and numeric types.
        """
        by_type = {}
        for variable in variables:
            by_type.setdefault(variable.dtype.base_dtype, []).append(variable)
        updates = []
        for dtype, group in by_type.items():
            values = [v.read_value() for v in group]
            if self._index:
                values = [tf.zeros_like(value) for value in values]
            sums = self.sum(values, on_host=dtype.is_integer)
            updates += [tf.assign(v, value).op for v, value in zip(group, sums)]
        return tf.group(*updates)


def _grouped(tensors):
    """Yields lists of neighbours, each list with at least a chunk, but for the last."""
    group, size = [], 0
    for tensor in tensors:
        group.append(tensor)
        size += tensor.shape.num_elements() * tensor.dtype.size
        if size >= _CHUNK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _exchange_ports(cluster):
    """The port of each worker's server."""
    with socket.socket() as free:
        free.bind(("", 0))
        gathered = cluster.gather(free.getsockname()[1])
        ports = [port for port, _ in gathered] if cluster.is_chief else None
        ports, _ = cluster.broadcast(ports)
    return ports


def _bracketed(host):
    return "[%s]" % host if ":" in host else host
