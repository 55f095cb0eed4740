"""gpu_report.py: which rows it has, what ends a row, resuming, and the page."""

import re
import sys

import pytest
import tensorflow.compat.v1 as tf

from benchmarks import gpu_report
from benchmarks.gpu_rows import page, processes, rows
from benchmarks.workers import step_trace
from finetuning.device import backend
from finetuning.utils.errors import InputError
from tests.support import corpus

GPU = {
    "kind": "GPU",
    "line": "GPU, Card, 80.0 GB (TensorFlow 2)",
    "name": "Big Card",
    "dtypes": ["float32", "float16", "TensorFloat-32"],
    "graph": {"few_ops": True, "fused_norm": True},
    "has_deterministic_ops": True,
    "tensorflow": "2.21.0",
    "python": "3.13.0",
    "numpy": "2.2.6",
    "driver": None,
    "unused_gpu": False,
    "warnings": [],
    "self_test": "passed in float32",
    "determinism": "not guaranteed",
    "status": "measured",
}
CPU = dict(GPU, kind="CPU", dtypes=["float32"])
STEPS = {
    "status": "measured",
    "first_loss": 0.7,
    "digest": "a",
    "first_step_seconds": 9.0,
}


# ---- Rows ----


def test_the_whole_table():
    keys = [row.key for row in rows.choose(GPU, True, has_torch=True)]
    models, batches, dtypes = 3, 4, 3
    combinations = models * batches * dtypes
    assert len(keys) == len(set(keys)) == 1 + 4 + combinations * 5
    for key in [
        "ours, BERT-Large, batch 64, float32",
        "ours, BERT-Base, batch 8, TensorFloat-32, XLA",
        "hf, MiniLM-L6-H384, batch 5, float16, torch.compile",
        "products, BERT-Large, batch 32, TensorFloat-32",
    ]:
        assert key in keys


def test_ten_minutes_are_for_the_most_important_rows():
    chosen = rows.choose(GPU, False, has_torch=False)
    assert {row.model for row in chosen} == {"", "MiniLM-L6-H384", "BERT-Base"}
    assert {row.batch for row in chosen} == {0, 5, 32}
    assert [row.dtype for row in chosen[1:11]] == ["float32"] * 10
    assert {row.variant for row in chosen} == {"", "repeated", "not deterministic"}


def test_what_a_device_lacks_has_no_rows():
    old = dict(GPU, has_deterministic_ops=False, dtypes=["float32"])
    chosen = rows.choose(old, True, has_torch=False)
    assert {row.variant for row in chosen} == {"", "repeated", "XLA"}
    assert {row.program for row in chosen} == {"demo", "ours", "products"}


def test_a_row_is_computed_as_its_name_says():
    def spec(*fields):
        return rows.spec_of(rows.Row("ours", *fields), GPU, 2, 1)

    rounded = spec("BERT-Large", 5, "TensorFloat-32", "XLA")
    assert rounded["dtype"] == "float32" and rounded["tensor_float_32"]
    assert rounded["xla"] and rounded["deterministic"]
    assert rounded["graph"] == {"few_ops": True, "fused_norm": False}
    assert rounded["shape"]["num_hidden_layers"] == 24
    plain = spec("MiniLM-L6-H384", 5, "float16", "not deterministic")
    assert plain["dtype"] == "float16" and not plain["tensor_float_32"]
    assert not plain["xla"] and not plain["deterministic"]
    assert plain["graph"] == GPU["graph"]
    assert plain["shape"]["hidden_size"] == 384


# ---- The process of a row ----


def measure(tmp_path, monkeypatch, code, limit=60):
    """Runs a process that writes an answer, and then does what `code` says."""
    folder = tmp_path / "benchmarks" / "workers"
    folder.mkdir(parents=True)
    first = "import os, sys, time\nprint('{\"seconds\": [1.0]}', flush=True)\n"
    (folder / "row_worker.py").write_text(first + code)
    monkeypatch.setattr(processes, "ROOT", str(tmp_path))
    return processes.measure(sys.executable, {}, limit)


@pytest.mark.parametrize(
    "code, status, message",
    [
        ("raise Exception('OOM when allocating x')", "out of memory", "OOM when"),
        ("sys.exit('CUDA out of memory')", "out of memory", "CUDA out of memory"),
        ("os.kill(os.getpid(), 9)", "out of memory", "ended by the system"),
        ("os.abort()", "failed", "exit status -6"),
        ("print('{', end='', flush=True); sys.exit('broken')", "failed", "1: broken"),
    ],
)
def test_what_ends_a_row_is_its_result(tmp_path, monkeypatch, code, status, message):
    result = measure(tmp_path, monkeypatch, code)
    assert result["status"] == status and message in result["message"]
    assert result["seconds"] == [1.0]


def test_a_row_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    code = "import subprocess; subprocess.run(['sleep', '600'])"
    result = measure(tmp_path, monkeypatch, code, limit=3)
    assert result["status"] == "time limit" and result["seconds"] == [1.0]


# ---- Saving and resuming ----


class Processes:
    """Replaces `processes.measure`: takes 10 ms a step, and records the programs."""

    def __init__(self, monkeypatch, device=GPU):
        self.device, self.programs, self.results = device, [], {}
        monkeypatch.setattr(processes, "measure", self)

    def __call__(self, _python, spec, _limit):
        if spec["program"] == "device":
            return dict(self.device)
        if spec["program"] == "weights":
            return {"status": "measured"}
        self.programs.append(spec["program"])
        result = self.results.get(len(self.programs), dict(STEPS, seconds=[0.01]))
        if isinstance(result, type):
            raise result
        return dict(result)


def report(tmp_path, *flags):
    """The exit status, and the names of the rows in the file."""
    flags = ("--name=x", "--hf_python=x", "--rows=Base, batch 5, float32", *flags)
    status = gpu_report.main([*flags, "--output_dir=%s" % tmp_path])
    content = corpus.read_json(str(tmp_path / "x.json"))
    return status, [row["program"] for row in content["rows"]]


def test_a_stopped_report_resumes(tmp_path, monkeypatch, capsys):
    measured = Processes(monkeypatch)
    measured.results[2] = KeyboardInterrupt
    assert report(tmp_path) == (130, ["ours"])
    assert "stopped; run it again to resume" in capsys.readouterr().err
    assert "products, BERT-Base, batch 5, float32: not measured yet" in read(tmp_path)
    assert report(tmp_path) == (0, ["ours", "products", "hf"])
    assert measured.programs == ["ours", "products", "products", "hf"]
    assert "not measured yet" not in read(tmp_path)


def read(tmp_path):
    return (tmp_path / "x.md").read_text(encoding="utf-8")


def test_a_row_without_memory_is_a_result(tmp_path, monkeypatch):
    measured = Processes(monkeypatch)
    measured.results[1] = {"status": "out of memory", "message": "OOM when allocating"}
    for _ in range(2):
        assert report(tmp_path) == (0, ["ours", "products", "hf"])
    assert len(measured.programs) == 3
    assert "this program (float32): out of memory: OOM when allocating." in read(
        tmp_path
    )


def test_a_row_that_the_reports_end_cuts_is_measured_next_time(tmp_path, monkeypatch):
    measured = Processes(monkeypatch)
    measured.results[1] = {"status": "time limit", "message": "ended"}
    assert report(tmp_path, "--minutes=1", "--row_seconds=61") == (0, [])
    assert report(tmp_path) == (0, ["ours", "products", "hf"])
    assert measured.programs == ["ours", "ours", "products", "hf"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"line": "GPU, Other"}, "x.json: its line is GPU, Card, 80.0 GB"),
        ({"status": "failed", "message": "wrong product"}, "failed, wrong product"),
        ({"unused_gpu": True, "warnings": ["THE GPU IS NOT USED"]}, "IS NOT USED"),
    ],
)
def test_a_device_that_is_wrong_ends_the_report(
    tmp_path, monkeypatch, capsys, change, message
):
    measured = Processes(monkeypatch)
    report(tmp_path)
    before = (tmp_path / "x.json").read_bytes()
    measured.device = dict(GPU, **change)
    assert report(tmp_path)[0] == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "x.json").read_bytes() == before


def test_a_damaged_file_is_not_overwritten(tmp_path, monkeypatch, capsys):
    Processes(monkeypatch)
    (tmp_path / "x.json").write_text('{"rows": [{}]}')
    assert gpu_report.main(["--name=x", "--output_dir=%s" % tmp_path]) == 2
    assert "choose another --name, or delete the file" in capsys.readouterr().err
    assert (tmp_path / "x.json").read_text() == '{"rows": [{}]}'


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--rows=BERT-Huge", "no row's name contains it"),
        ("--name=../x", "expected letters"),
        ("--minutes=0", "not a whole number above 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, monkeypatch, flag, message):
    Processes(monkeypatch)
    with pytest.raises(InputError, match=message):
        gpu_report.run([flag, "--output_dir=%s" % tmp_path])


# ---- The page ----


def result(program, seconds, dtype="float32", variant="", **more):
    row = rows.Row(program, "MiniLM-L6-H384", 32, dtype, variant)
    return dict(vars(row), key=row.key, **dict(STEPS, seconds=seconds, **more))


def rendered(*measured, **facts):
    facts = dict(GPU, torch="python", processor="p", platform="l", **facts)
    facts.update(revision=None, threads=2, written="today")
    content = {"name": "x", "facts": facts, "expected": [], "rows": list(measured)}
    return page.render(content)


def test_figures_of_the_page():
    trace = {"cpu_operations": 10, "gpu_operations": 90, "kernels": 70}
    trace.update(copies_to_gpu=4, copies_to_host=1, traced_gpu_bytes=3e9)
    text = rendered(
        result("ours", [0.02, 0.01, 0.03], trace=trace, peak_gpu_bytes=2e9),
        result("products", [0.005], flops=[1e11, 3e11]),
        result("hf", [0.04]),
    )
    cells = "50 (33.3 to 100) | 1600 | 10 | 25 % | 2.00 | 2000 | 100 | 70 | 4, 1 | 9.0"
    assert "| this program (float32) | %s |" % cells in text
    assert "agree to 0.0001" in text


def test_memory_without_a_counter_is_at_least_what_was_traced():
    trace = dict.fromkeys(["kernels", "copies_to_gpu", "copies_to_host"])
    trace.update(cpu_operations=10, gpu_operations=90, traced_gpu_bytes=3e9)
    text = rendered(result("ours", [0.01], trace=trace, **{"no peak": "None"}))
    assert "| at least 3000 | 100 | – | – |" in text
    assert "no tracer recorded any" in text and "- no peak: None" in text


def test_determinism_and_its_cost():
    repeated = result("ours", [0.011], variant="repeated")
    free = result("ours", [0.005], variant="not deterministic", digest="b")
    text = rendered(result("ours", [0.01]), repeated, free)
    assert "the weights of two runs are identical, byte for byte" in text
    assert "2.00 times as long" in text and "whose weights are different" in text
    repeated["digest"] = "c"
    assert "two runs are DIFFERENT" in rendered(result("ours", [0.01]), repeated)
    del repeated["digest"]
    assert "one of two runs failed" in rendered(result("ours", [0.01]), repeated)


def test_different_losses_are_shown():
    text = rendered(result("ours", [0.01]), result("hf", [0.01], first_loss=0.8))
    assert "DIFFERENT LOSSES" in text and "0.800000" in text


# ---- What a step executed ----


def test_the_tracers_of_both_tensorflows_are_read():
    stats = tf.RunMetadata().step_stats
    task = "/job:localhost/replica:0/task:0/device:"
    for device, labels in {
        task + "CPU:0": ["Add"],
        task + "GPU:0": ["MatMul", "Mul"],
        "/device:GPU:0/stream:all": ["gemm", "mul", "mul"],
        "/device:GPU:0/stream:13": ["gemm", "mul", "mul"],
        "/device:GPU:0/memcpy": ["MemcpyH2D 4", "x:MEMCPYDtoH", "MemcpyD2D 4"],
    }.items():
        entry = stats.dev_stats.add(device=device)
        for label in labels:
            node = entry.node_stats.add(node_name="n", timeline_label=label)
            node.memory.add(allocator_name="GPU_0_bfc", allocator_bytes_in_use=7)
            node.memory.add(allocator_name="gpu_host_bfc", allocator_bytes_in_use=9)
    counts = step_trace.summarize(stats)
    assert counts["kernels"] == 3 and counts["gpu_operations"] == 2
    assert counts["copies_to_gpu"] == counts["copies_to_host"] == 1
    assert counts["names_of_copies_to_host"] == ["x:MEMCPYDtoH n"]
    assert counts["traced_gpu_bytes"] == 7
    assert step_trace.summarize(tf.RunMetadata().step_stats)["kernels"] is None


@pytest.mark.slow
def test_a_report_of_this_machine(tmp_path, monkeypatch, iterations):
    """Short, as of a machine without Hugging Face, and without the demo."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    flags = iterations(
        ["--rows=BERT-Tiny"], ["--rows=ours, BERT-Tiny, batch 32, float32"]
    )
    if flags != ["--rows=BERT-Tiny"]:
        monkeypatch.setattr(gpu_report, "_torch_python", lambda _: None)
    common = ["--name=x", "--seconds=1", "--threads=1", "--output_dir=%s" % tmp_path]
    assert gpu_report.main([*flags, *common]) == 0
    text = read(tmp_path)
    assert "identical, byte for byte" in text and "DIFFERENT" not in text
    assert re.search(
        r"\| this program \(float32\) \| [\d.]+ \([\d.]+ to [\d.]+\) \|", text
    )
    measured = corpus.read_json(str(tmp_path / "x.json"))["rows"]
    assert {row["status"] for row in measured} == {"measured"}
    ours = [row for row in measured if row["program"] == "ours"]
    assert ours[0]["trace"]["cpu_operations"] > 500
    free = [row for row in ours if row["variant"] == "not deterministic"]
    assert bool(free) == backend.has_deterministic_ops()
