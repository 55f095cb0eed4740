"""What one training step executed: operations, GPU kernels and copies."""

import re

# "MemcpyH2D" of TensorFlow 2, "MEMCPYHtoD" of 1.14, "Memcpy HtoD (...)" of torch.
_COPIES = {
    "copies_to_gpu": re.compile("memcpy ?h(to|2)d", re.IGNORECASE),
    "copies_to_host": re.compile("memcpy ?d(to|2)h", re.IGNORECASE),
}
_MOST_NAMES = 30


def record(session, fetches):
    """Runs once under TensorFlow's tracer; returns what `summarize` does."""
    import tensorflow.compat.v1 as tf

    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    session.run(fetches, options=options, run_metadata=metadata)
    return summarize(metadata.step_stats)


def summarize(step_stats):
    """Counts what TensorFlow's tracer recorded.

    Args:
      step_stats: a `StepStats` message.

    Returns:
      Dictionary of counts: cpu_operations and gpu_operations executed there; and, None
      if the tracer recorded nothing of a GPU: kernels, copies_to_gpu, copies_to_host.
      names_of_copies_to_host lists the operations (at most 30). traced_gpu_bytes: the
      most memory in use when an operation ended, None if no allocator reports it.
    """
    counts = {"cpu_operations": 0, "gpu_operations": 0}
    kernels, copies, memory = None, [], []
    for device in step_stats.dev_stats:
        nodes, name = device.node_stats, device.device.lower()
        if name.endswith("stream:all"):
            kernels = (kernels or 0) + len(nodes)
        elif name.endswith("memcpy"):
            copies += ["%s %s" % (n.timeline_label, n.node_name) for n in nodes]
        elif re.search(r"task:\d+/device:gpu:\d+$", name):
            counts["gpu_operations"] += len(nodes)
        elif re.search(r"task:\d+/device:cpu:\d+$", name):
            counts["cpu_operations"] += len(nodes)
        memory += _bytes_in_use(nodes)
    counts["traced_gpu_bytes"] = max(memory) if memory else None
    return dict(counts, **_of_gpu(kernels, copies))


def _bytes_in_use(nodes):
    used = [memory for node in nodes for memory in node.memory]
    in_use = [
        memory.allocator_bytes_in_use
        for memory in used
        if memory.allocator_name.lower().startswith("gpu_")
        and "host" not in memory.allocator_name.lower()
    ]
    return [count for count in in_use if count]


def _of_gpu(kernels, copies):
    """Counts of kernels, which are None without any, and of copies by their labels."""
    if kernels is None:
        return dict.fromkeys(["kernels", *_COPIES])
    found = {
        name: [label for label in copies if pattern.search(label)]
        for name, pattern in _COPIES.items()
    }
    result = {name: len(labels) for name, labels in found.items()}
    names = found["copies_to_host"][:_MOST_NAMES]
    return dict(result, kernels=kernels, names_of_copies_to_host=names)


def record_torch(step):
    """Runs a step under PyTorch's profiler; the same counts of the GPU."""
    from torch import profiler

    activities = [profiler.ProfilerActivity.CUDA, profiler.ProfilerActivity.CPU]
    with profiler.profile(activities=activities) as profile:
        step()
    names = [
        event.name
        for event in profile.events()
        if event.device_type.name == "CUDA"
        and not event.is_user_annotation  # A range, such as the optimiser's step.
        and not event.name.startswith("Memset")
    ]
    copies = [name for name in names if name.startswith("Memcpy")]
    return _of_gpu(len(names) - len(copies) or None, copies)
