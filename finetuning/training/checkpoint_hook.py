"""When a training run saves checkpoints, and the files that show its graph."""

import contextlib
import os
import threading

import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from finetuning.utils import files

GRAPH_FILE = "graph.pbtxt"


class CheckpointHook(tf.train.SessionRunHook):
    """Saves before the first step, then every few steps, and at the end."""

    def __init__(self, run, step_hook, scaffold, listeners, graph_files):
        """Prepares to save a training run.

        Args:
          run: `run_record.Run`.
          step_hook: the `hooks.StepHook` of the run, which must come before this one.
          scaffold: `tf.train.Scaffold` with the saver.
          listeners: `tf.train.CheckpointSaverListener`s.
          graph_files: `GraphFiles`, which are written once there has been a step.
        """
        self._path = run.output_dir.join("model.ckpt")
        self._every = run.settings.save_checkpoints_steps
        self._directory = run.settings.output_dir
        self._first_step = run.first_step
        self._step_hook = step_hook
        self._scaffold = scaffold
        self._listeners = listeners
        self._graph_files = graph_files
        self._saved = None  # The step of the last checkpoint.

    def begin(self):
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session, coord):
        del coord
        self._save(session, self._first_step)

    def after_run(self, run_context, run_values):
        del run_values
        self._graph_files.start(self._scaffold)
        step = self._step_hook.step
        if step >= self._saved + self._every:
            self._save(run_context.session, step)

    def end(self, session):
        step = self._step_hook.step
        if step != self._saved:
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session, step):
        for listener in self._listeners:
            listener.before_save(session, step)
        self._scaffold.saver.save(session, self._path, global_step=step)
        self._saved = step
        entry = tf.SessionLog(
            status=tf.SessionLog.CHECKPOINT, checkpoint_path=self._path
        )
        writer = tf.summary.FileWriterCache.get(self._directory)
        writer.add_session_log(entry, step)
        for listener in self._listeners:
            listener.after_save(session, step)


class GraphFiles:
    """Writes the graph as text and for TensorBoard, while the training goes on.

    As text it takes seconds, and nothing in the run needs it.
    """

    def __init__(self, directory, graph):
        """Takes the output directory and the `tf.Graph` of the session."""
        self._directory, self._graph = directory, graph
        self._thread = self._error = None

    def start(self, scaffold):
        """Begins to write, unless it has begun; takes the `tf.train.Scaffold`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, args=[scaffold])
            self._thread.start()

    def _write(self, scaffold):
        try:
            with self._graph.as_default():  # It is that of the main thread alone.
                self._write_files(scaffold)
        except Exception as error:  # Raised again where the run waits for it.
            self._error = error

    def _write_files(self, scaffold):
        definition = self._graph.as_graph_def(add_shapes=True)
        path = os.path.join(self._directory, GRAPH_FILE)
        # `tf.train.write_graph` would hold all of the text in memory.
        with files.replacing(path) as new, files.open_write(new, "w") as file:
            text_format.PrintMessage(definition, file)
        writer = tf.summary.FileWriterCache.get(self._directory)
        writer.add_graph(self._graph)
        writer.add_meta_graph(
            tf.train.export_meta_graph(
                graph_def=definition,
                graph=self._graph,
                saver_def=scaffold.saver.saver_def,
            )
        )

    @contextlib.contextmanager
    def finished(self, scaffold):
        """Waits for the files at the end; they are written also without a step.

        Raises:
          OSError, tf.errors.OpError: they could not be written.
        """
        try:
            yield
            self.start(scaffold)
        finally:
            if self._thread is not None:
                self._thread.join()
        if self._error is not None:
            raise self._error
