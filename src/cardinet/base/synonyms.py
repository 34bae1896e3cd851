"""Names of settings in other programs, as data for hints in messages."""

from __future__ import annotations

from collections.abc import Iterable

from cardinet.base.errors import nearest

CALLED = {
    "size": "imgsz image_size img_size imagesize input_size crop crop_size train_crop_size resolution",
    "resize": "resize_size val_resize_size shorter_side resize_shorter short_side",
    "batch_size": "batch bs train_batch_size per_device_train_batch_size mini_batch_size ims_per_batch",
    "lr": "learning_rate learningrate lr0 base_lr initial_lr max_lr start_lr eta",
    "weight_decay": "wd decay l2 l2_regularization weightdecay",
    "lr_for_batch": "lr_base_size nbs nominal_batch_size base_batch_size auto_scale_lr scale_lr",
    "layer_decay": "layer_lr_decay lr_layer_decay layerwise_lr_decay layer_wise_lr_decay llrd discriminative_lr",
    "clip": "clip_grad clip_grad_norm grad_clip gradient_clip gradient_clip_val max_grad_norm max_norm",
    "accumulate": "grad_accum accum_iter accumulation_steps gradient_accumulation_steps accumulate_grad_batches",
    "label_smoothing": "smoothing label_smooth",
    "warmup": "warmup_epochs warmup_steps warmup_iters lr_warmup_epochs",
    "warmup_from": "warmup_lr warmup_factor warmup_bias_lr lr_warmup_decay",
    "rho": "decay_factor square_decay",
    "final": "lrf min_lr eta_min lr_min",
    "drops": "milestones lr_steps decay_epochs decay_milestones",
    "factor": "lr_gamma decay_rate lr_mult t_mult",
    "restart_after": "t_0 cycle_length restart_every first_cycle",
    "schedule": "scheduler lr_scheduler sched lr_scheduler_type lr_policy cos_lr",
    "optimizer": "optim opt algorithm",
    "length": "max_steps max_iter max_iters iterations num_steps total_steps",
    "log_every": "log_interval log_steps logging_steps print_freq log_every_n_steps",
    "evaluate_every": "eval_every eval_interval eval_steps val_interval val_check_interval",
    "checkpoint_seconds": "checkpoint_every save_every save_freq save_period save_steps",
    "seed": "random_seed random_state manual_seed",
    "workers": "num_workers n_workers dataloader_num_workers nthreads",
    "threads": "num_threads cpu_threads",
    "precision": "amp fp16 bf16 half mixed_precision dtype use_amp",
    "device": "gpu cuda accelerator",
    "interpolation": "resample train_interpolation",
    "validation": "val val_split validation_split valid_pct val_ratio val_size",
    "test": "test_split test_size test_ratio",
    "limit": "max_samples max_train_samples subset num_samples limit_train_batches",
    "source": "dataset data_path data_dir dataset_path dataset_name train_dir",
    "num_classes": "classes nc n_classes nclass nb_classes num_class num_labels",
    "in_channels": "in_chans in_chs input_channels",
    "cardinality": "groups",
    "base_width": "width_per_group",
    "class_weights": "class_weight pos_weight",
    "recompute": "gradient_checkpointing grad_checkpointing activation_checkpointing checkpoint_activations with_cp "
    "use_checkpoint memory_efficient",
    "repeats": "aug_repeats repeated_aug ra_sampler ra_reps",
    "depths": "layers num_layers num_blocks blocks",
}
"""Our name of a setting, and the names that other programs give it."""

INSTEAD = {
    "epochs num_epochs max_epochs n_epochs num_train_epochs epoch": 'give --epochs 5, or --set length="5 epochs"',
    "ema model_ema ema_decay use_ema swa averaging": "average the weights with "
    '--set "methods=WeightAverage(decay=0.999)"',
    "adam adamw sgd lamb rmsprop lion adagrad": "name the optimizer (SGD, AdamW, LAMB or RMSProp), as in "
    '--set "optimizer=AdamW(lr=0.001)"',
    "part": 'a part is named as the value, as in --set "optimizer=AdamW(lr=0.001)"',
    "dropout drop_rate drop": "only some networks have dropout; whole units are dropped by merge, as in "
    '--set "merge=StochasticDepth(last=0.5)"',
    "drop_path drop_path_rate stochastic_depth stochastic_depth_prob": "whole units are dropped by merge, as in "
    '--set "merge=StochasticDepth(last=0.5)"',
    "mixup mixup_alpha cutmix cutmix_alpha mixup_prob mixup_switch_prob cutmix_prob": "mix pictures with "
    '--set "methods=Mixup(alpha=0.2), CutMix(alpha=1.0)"',
    "hflip fliplr horizontal_flip random_flip random_horizontal_flip": "give the probability of a mirror image, as in "
    "--set augmentation.Flip.probability=0.5",
    "random_resized_crop rrc train_crops": "give the share of the area, as in "
    '--set "augmentation.ResizedCrop.area=[0.08, 1]"',
    "aspect_ratio": 'give the range of the crops, as in --set "augmentation.ResizedCrop.ratio=[0.75, 1.33]"',
    "random_crop": "give the pixels on each side, as in --set augmentation.PadCrop.pad=4",
    "color_jitter": "give the strengths, as in --set augmentation.ColorJitter.brightness=0.4",
    "aa auto_augment autoaugment randaugment rand_augment ra": "give the strength, as in "
    "--set augmentation.RandAugment.magnitude=9, or take --set augmentation.TrivialAugment=TrivialAugment",
    "trivial_augment ta_wide trivial_augment_wide": "name it, as in --set augmentation.TrivialAugment=TrivialAugment",
    "aug_mix": "give the strength, as in --set augmentation.AugMix.severity=3",
    "augment augmentations": 'augmentations are written as in --set "augmentation=PadCrop(pad=4), Flip"',
    "reprob random_erase random_erasing erasing cutout": "give the probability, as in "
    "--set augmentation.RandomErasing.probability=0.25",
    "lighting pca alphastd": "give the deviation, as in --set augmentation.Lighting.std=0.1",
    "sampler oversample balanced_sampler": "let every class come equally often with --set balanced=true",
    "early_stopping early_stop early_stopping_patience": "end a run early with "
    '--set "methods=EarlyStopping(patience=5)"',
    "pretrained weights checkpoint finetune": "start from trained weights with --weights WEIGHTS",
    "freeze frozen_stages freeze_at freeze_backbone freeze_layers trainable_layers": "name the frozen layers, as in "
    "--freeze stem,layer1",
    "unfreeze_at freeze_epochs unfreeze_epoch": "give the time from which all layers are trained, as in "
    "--set \"methods=Freeze(until='2 epochs')\"",
    "compile torchcompile torch_compile": "this version does not compile networks",
    "ddp distributed gpus devices world_size nproc_per_node num_gpus n_gpus strategy": "one run is trained by "
    "several processes under torchrun, as in torchrun --nproc-per-node 2 --no-python cardinet train --out DIR, or "
    "with --engine ray --processes 2",
    "loss criterion loss_fn bce_loss": "name it by objective (CrossEntropy, BinaryCrossEntropy or "
    'Focal), as in --set "objective=CrossEntropy(label_smoothing=0.1)"',
    "aux_logits aux_weight aux_loss aux_heads auxiliary auxiliary_loss deep_supervision": "add heads in training with "
    "--set methods=AuxiliaryHeads",
    "progressive_resize progressive_resizing multi_scale multiscale size_schedule": "let pictures grow with "
    '--set "methods=ProgressiveResizing(start=128)"',
    "kd distill distillation distill_model teacher_model kd_alpha kd_temperature": "let a trained model teach with "
    '--set "methods=Distillation(teacher=MODEL)"',
    "output_dir out_dir save_dir output logdir out": "name the run's folder with --out DIR",
    "resume resume_from_checkpoint auto_resume": "go on with a run by --resume DIR",
    "channels_last memory_format": "pictures are always in channels_last",
    "attention attn se attn_layer": 'attention is the gate, as in --set "gate=SqueezeExcite(reduction=16)"',
    "train_split seed_split": "validation and test are the shares that are split off; the rest is trained on",
}
"""Names that only other programs have, and what the user can do instead."""

_CALLED = {other: ours for ours, others in CALLED.items() for other in others.split()}
_INSTEAD = {other: sentence for others, sentence in INSTEAD.items() for other in others.split()}


def setting_hint(name: str, allowed: Iterable[str]) -> str:
    """The end of a message about an unknown setting: our name for another program's setting, else the nearest names."""
    allowed = list(allowed)
    ours, instead = _CALLED.get(_word(name)), _INSTEAD.get(_word(name))
    if ours is not None and any(ours == known.rpartition(".")[2] for known in allowed):
        return f"here it is called {ours}"
    return instead or nearest(name, allowed)


def option_hint(option: str, options: Iterable[str]) -> str | None:
    """A hint for an unknown option (`--imgsz`) of another program; None if the option is not in the tables."""
    word = _word(option)
    ours, instead = _CALLED.get(word, word if word in CALLED else None), _INSTEAD.get(word)
    options = list(options)
    if ours is None:
        return instead
    flag = f"--{ours.replace('_', '-')}"
    if flag in options:
        return f"here it is {flag}"
    return f"here it is a setting: --set {ours}=..." if "--set" in options else None


def _word(name: str) -> str:
    return name.rpartition(".")[2].strip().lower().lstrip("-").replace("-", "_")
