"""What an unknown flag may have meant: misspelt, or its name in other programs."""

import difflib

from finetuning.flags.settings import flags_with

# Those of transformers, keras, fairseq and of common scripts -> what to write here.
_ELSEWHERE = {
    "--accumulate_steps": "gradient_accumulation_steps grad_accum_steps update_freq",
    "--adam_bias_correction=true": "bias_correction correct_bias",
    "--bert_config_file": "bert_config config config_file config_name config_path",
    "--class_weights": "class_weight label_weights",
    "--data_dir": "data data_path dataset dataset_name glue_dir",
    "--do_eval=true": "eval evaluate",
    "--do_lower_case": "do_lowercase lower lowercase uncased",
    "--do_predict=true": "infer inference predict test",
    "--do_train=true": "train",
    "--early_stop": "early_stopping early_stopping_patience patience",
    "--eval_batch_size": "per_device_eval_batch_size per_gpu_eval_batch_size",
    "--eval_each_epoch=true": "eval_strategy evaluation_strategy eval_every_epoch",
    "--eval_file": "dev_file validation_file",
    "--eval_steps": "eval_every evaluate_every logging_steps",
    "--init_checkpoint": "bert_model checkpoint checkpoint_path ckpt model model_name "
    "model_name_or_path model_path pretrained_model",
    "--keep_best=true": "load_best_model_at_end save_best",
    "--keep_checkpoint_max": "save_total_limit",
    "--learning_rate": "learning_rates lr peak_lr",
    "--max_seq_length": "max_len max_length max_seq_len seq_len seq_length "
    "sequence_length",
    "--max_train_examples": "max_train_samples",
    "--num_threads": "cpu_threads threads",
    "--num_train_epochs": "epoch epochs max_epoch max_epochs n_epochs num_epoch "
    "num_epochs train_epochs",
    "--output_dir": "model_dir out output output_path save_dir",
    "--precision=mixed": "amp bf16 fp16 half mixed_precision use_amp use_fp16",
    "--predict_file": "test_file",
    "--random_seed": "manual_seed rng_seed seed",
    "--require_gpu=true": "cuda gpu use_cuda use_gpu",
    "--save_checkpoints_steps": "save_every save_steps",
    "--task_name": "glue_task task",
    "--train_batch_size": "batch batch_size bs per_device_train_batch_size "
    "per_gpu_train_batch_size",
    "--vocab_file": "tokenizer tokenizer_name vocab vocab_path vocabulary",
    "--warmup_proportion": "num_warmup_steps warmup warmup_ratio warmup_steps",
    "--xla=true": "jit_compile use_xla",
}
_BY_NAME = {name: flag for flag, names in _ELSEWHERE.items() for name in names.split()}
# How much of a misspelt name must be right, as difflib counts it.
_LIKENESS = 0.75


def suggestion(name):
    """What to write instead of an unknown flag, such as "--learning_rate"; or None.

    Args:
      name: of the flag, without dashes and value.
    """
    plain = name.lower().replace("-", "_")
    if plain in flags_with():  # In capitals, or with dashes inside.
        return "--" + plain
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    names = [*flags_with(), *_BY_NAME]
    near = difflib.get_close_matches(plain, names, n=1, cutoff=_LIKENESS)
    if not near and plain.startswith("no"):
        near = difflib.get_close_matches(plain[2:], flags_with(), n=1, cutoff=_LIKENESS)
    return _BY_NAME.get(near[0], "--" + near[0]) if near else None
