"""Every wrong request ends in sentences that name the value and what to do, and changes nothing on disk."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cli.cli_runner import Cli
from cli.hostile_files import snapshot

# What is typed, the exit code, and for each sentence on stderr a part of it.
CASES: list[tuple[str, int, list[str]]] = [
    # The words themselves
    ("nosuch", 2, ["No such command 'nosuch'"]),
    ("evaluate model.safetensors", 2, ["Did you mean 'eval'? `cardinet --help`"]),
    ("--nosuch", 2, ["No such option: --nosuch"]),
    (
        "train --epoch 3",
        2,
        ['No such option: --epoch (give --epochs 5, or --set length="5 epochs"). `cardinet train --help`'],
    ),
    ("train one two", 2, ["unexpected extra argument(s) (two)"]),
    ("train --lr", 2, ["'--lr' requires an argument"]),
    ("plan", 2, ["Give a limit, such as --budget macs=4e9"]),
    ("rewrite model.safetensors --out x.safetensors", 2, ["Give at least one rewrite, such as --fold"]),
    ("predict", 2, ["Missing argument 'MODEL'"]),
    ("predict model.safetensors", 2, ["Missing argument 'IMAGE|FOLDER ...'"]),
    ("report", 2, ["Missing argument 'RUN ...'"]),
    ("predict model.safetensors ''", 2, ['empty ("")']),
    ("train --data ''", 2, ['empty ("")']),
    ("train --out=", 2, ['empty ("")']),
    ("train --resume ''", 2, ['empty ("")']),
    # Names of networks and settings
    ("info resnxt50", 2, ['no network "resnxt50" (nearest: resnet50']),
    ("info ' '", 2, ['no network " "']),
    ("info resnet50 --set cardinalty=4", 2, ['no setting "cardinalty" (nearest: cardinality, carry)']),
    ("info resnet50 --set width", 2, ['--set "width": write it as key=value']),
    ("info resnet50 --set =3", 2, ['--set "=3": write it as key=value']),
    ("info resnet50 --set width=3 --set width=4", 2, ['"width" is given twice']),
    ("info resnet50 --set width=3 --set network.width=4", 2, ['"width" is given twice']),
    ("info resnet50 --set width=", 2, ["width = ''"]),
    ("info resnet50 --set base_width=nan", 2, ["base_width = nan"]),
    ("info resnet50 --set gate=SE", 2, ['no part "SE" (known: SqueezeExcite), such as gate=SqueezeExcite']),
    ("info resnet50 --set cardinality=1.5 --set kind=Q --set foo=1", 2, ['"foo"', "cardinality = 1.5", "'Q'"]),
    (
        "info resnet50 --set cardinality=1000000",
        2,
        ["at least 4,096,026,432 parameters, and 1,000,000,000 are allowed"],
    ),
    ("train --set num_classes=10 --set widths=1000000,1000000,1000000", 2, ["The network is too large"]),
    ("plan --like resnet50 --cardinality 4096,0", 2, ['--cardinality "4096,0"']),
    ("info resnet50 --draw picture.png", 2, ["picture.png cannot be the drawing; end its name with .svg"]),
    ("info resnet50 --draw nowhere/a.svg", 2, ["nowhere/a.svg cannot be written: its folder does not exist"]),
    ("info resnxt50 --draw a.html", 2, ["a.html cannot be the drawing", 'no network "resnxt50"']),
    ("info resnet50 --input-size 0", 2, ["--input-size 0: "]),
    ("info resnet50 --input-size=-5", 2, ["--input-size -5: "]),
    ("info resnet50 --input-size abc", 2, ["--input-size abc: "]),
    ("info resnet50 --input-size 1000000000000000000000", 2, ["--input-size 1000000000000000000000: "]),
    ("info model.safetensors --set lr=3", 2, ["give the name of a network instead"]),
    ("plan --like resnet18", 2, ["Only a bottleneck"]),
    ("plan --like resnet50 --cardinality 0", 2, ['--cardinality "0": give whole numbers from 1']),
    ("plan --like resnet50 --cardinality two", 2, ['--cardinality "two"']),
    ("plan --like resnet50 --cardinality=-3", 2, ['--cardinality "-3"']),
    ("plan --like resnet50 --cardinality 1,,2", 2, ['--cardinality "1,,2"']),
    ("plan --like resnet50 --cardinality ²", 2, ['--cardinality "²"']),
    ("plan --like resnet50 --cardinality 99999999999999999999", 2, ["from 1 to 4,096"]),
    ("plan --like resnt50 --cardinality two", 2, ['--cardinality "two"', 'no network "resnt50"']),
    ("plan --like resnet50 --budget flops", 2, ['--budget "flops": give params or macs']),
    ("plan --like resnet50 --depth 1,2", 2, ["--depth: give a limit with it"]),
    (
        "plan --budget macs=-4 --budget flops=3 --family nosuch --draw a.png --batch-size 5000",
        2,
        ['--budget "macs=-4"', 'no budget "flops"', "a.png cannot be", "batch_size = 5000", '--family "nosuch"'],
    ),
    ("plan --budget latency=20", 2, ["give a number above 0 with one of the units us, ms, s"]),
    ("plan --budget macs=1G --budget macs=2G", 2, ["macs has a limit already"]),
    ("plan --budget macs=1G --width 2", 2, ["make variants of a network; name it with --like"]),
    (
        "plan --budget macs=1G --like resnet50 --depth x --width 0 --cardinality 0 --family ResNet --capacity macs",
        2,
        ['--depth "x"', '--width "0"', '--cardinality "0"', "--capacity macs: ", "either --like or --family"],
    ),
    ("plan --budget macs=1G --like vgg16 --depth 2", 2, ["Only a residual network spans a family"]),
    (
        "plan --budget macs=10 --family fractalnet20",
        2,
        ["fractalnet20 is the nearest"],
    ),
    # Model files and run folders
    ("info nothere.safetensors", 2, ["no file nothere.safetensors"]),
    ("info two", 2, ["two is not a run folder: it has no model.safetensors"]),
    ("info no-model", 2, ["no-model has no model yet"]),
    ("info other.pth", 2, ["other.pth is a PyTorch checkpoint (a pickle)"]),
    ("info pickle.safetensors", 2, ["pickle.safetensors is a PyTorch checkpoint (a pickle)"]),
    ("info evil.pth", 2, ["evil.pth is a PyTorch checkpoint (a pickle)"]),
    ("info half.safetensors", 1, ["half.safetensors is damaged or truncated"]),
    ("info header.safetensors", 1, ["header.safetensors is damaged or truncated"]),
    ("info short.safetensors", 1, ["short.safetensors is damaged or truncated"]),
    ("info void.safetensors", 1, ["void.safetensors is empty"]),
    ("info red.png", 2, ["red.png is neither a model file (.safetensors) nor"]),
    ("predict nothere red.png", 2, ['"nothere" is not there; give a run folder or a model file']),
    ("predict resnet18 red.png", 2, ['"resnet18" is the name of a network, without parameters']),
    ("predict half.safetensors nothere.png --device tpu", 2, ['"tpu"', "half.safetensors is damaged", "nothere.png"]),
    # Pictures
    ("predict model.safetensors nothere.png empty also.png", 2, ["nothere.png", "empty holds no pictures", "also.png"]),
    ("predict model.safetensors file", 1, ["file cannot be used: it is not a picture"]),
    ("predict model.safetensors cut.jpg", 1, ["cut.jpg cannot be used: image file is truncated"]),
    ("predict model.safetensors bomb.png", 1, ["bomb.png cannot be used: 30000x30000 = 900,000,000 pixels"]),
    (
        "predict model.safetensors notes.jpg",
        1,
        ["notes.jpg cannot be used: it is not a picture; it begins with b'hello'"],
    ),
    ("predict model.safetensors void.jpg", 1, ["void.jpg cannot be used: the file is empty"]),
    ("predict model.safetensors red.png --top 0", 2, ["--top 0: "]),
    ("predict model.safetensors red.png --device cuda:-1", 2, ['no device "cuda:-1"; use auto, cpu, cuda']),
    # Evaluation
    ("eval model.safetensors", 2, ["--data; only a run folder knows its own"]),
    ("eval model.safetensors --data digits --split foo", 2, ['no split "foo"; it has train, validation, test']),
    (
        "eval model.safetensors --data digits --mean x --std 0",
        2,
        ['--mean "x": give numbers', '--std "0": give numbers'],
    ),
    ("eval model.safetensors --data digits --mean nan", 2, ['--mean "nan"']),
    ("eval model.safetensors --data digits --mean 0.1,0.2", 2, ["each of the 1 channels"]),
    ("eval model.safetensors --data two", 2, ["it does not know blue, red"]),
    ("eval model.safetensors --data digits --set foo=1", 2, ['no setting "foo"']),
    ("eval model.safetensors --data digits --set limit=1 --set data.limit=2", 2, ['"limit" is given twice']),
    ("eval model.safetensors --data digits --weights other.pth", 2, ["model.safetensors has its own parameters"]),
    ("eval no-checkpoint --set limit=10", 2, ["the pictures of a run are read as in that run"]),
    ("eval other-data", 1, ["The data digits has changed"]),
    ("eval damaged-toml", 1, ["damaged-toml/run.toml is damaged"]),
    ("eval resnet18", 2, ["--weights FILE", "--data"]),
    ("eval resnet18 --data two --weights other.pth", 2, ["conv1.weight is missing in the file"]),
    ("eval two --data digits --batch-size 0", 2, ["--batch-size 0: "]),
    ("eval two --data digits --workers 100000", 2, ["--workers 100000: "]),
    (
        "eval resnt18 --data nothere --weights none --mean x --device tpu",
        2,
        ['no device "tpu"', '--mean "x"', 'no network "resnt18"', "no file none", 'source "nothere"'],
    ),
    # Training: what is asked for
    (
        "train resnxt --set lrr=3 --data nodata --out two --lr nan --weights none.pth",
        2,
        ['no setting "lrr"', "lr = nan", 'network "resnxt"', '"nodata"', "two exists", "no file none.pth"],
    ),
    ("train --lr=-1", 2, ["optimizer.lr = -1.0"]),
    ("train --lr abc", 2, ["--lr abc: "]),
    ("train --epochs nan", 2, ['"nan epochs" is not a duration']),
    ("train --epochs inf", 2, ['"inf epochs" is not a duration']),
    ("train --epochs=-1", 2, ['"-1 epochs" is not a duration']),
    ("train --epochs 0", 2, ["less than one step"]),
    ("train --epochs 1e-9", 2, ['"0.000000001 epochs" is less than one step']),
    ("train --epochs 1e308", 2, ["is too long"]),
    ("train --set 'length=9e99 steps'", 2, ["is too long"]),
    ("train --device cpu:", 2, ['no device "cpu:"']),
    ("train --device cuda:²", 2, ['no device "cuda:²"']),
    ("train --seed=-1", 2, ["machine.seed = -1"]),
    ("train --seed 99999999999999999999999", 2, ["machine.seed = 99999999999999999999999"]),
    ("train --batch-size 0", 2, ["training.batch_size = 0"]),
    ("train --workers=-1", 2, ["machine.workers = -1"]),
    ("train --device tpu", 2, ['no device "tpu"']),
    ("train --set length=3", 2, ['write "3 epochs" or "3 steps"']),
    ("train --set 'length=3 lightyears'", 2, ['"3 lightyears" is not a duration']),
    ("train --epochs 3 --set 'length=100 steps'", 2, ["twice; give"]),
    ("train --lr 1 --set optimizer.lr=2", 2, ["twice; give"]),
    ("train --set limit=5 --set data.limit=6", 2, ["twice; give"]),
    ("train --set lr", 2, ['--set "lr": write it as key=value']),
    ("train resnet50", 2, ['"resnet50" is too deep for pictures of 8 x 8 pixels']),
    # Training: recipes
    ("train --recipe quik", 2, ['no recipe "quik" (nearest: quick)']),
    ("train --recipe paper-imagenet", 2, ['The recipe "paper-imagenet" is made for photographs']),
    ("train --recipe nothere.toml", 2, ["nothere.toml cannot be read: No such file"]),
    ("train --recipe folder.toml", 2, ["folder.toml cannot be read: Is a directory"]),
    ("train --recipe broken.toml", 2, ["broken.toml cannot be used: it is not TOML"]),
    ("train --recipe latin.toml", 2, ["latin.toml cannot be read: it is not text"]),
    ("train --recipe itself.toml", 2, ['"itself.toml" is its own base']),
    ("train --recipe kinds.toml", 2, ["[for.paintings]"]),
    ("train --recipe unknown.toml", 2, ['"training.lenght" (nearest: training.length', '"lr"', '"optimiser" (nearest']),
    # Training: data
    ("train --data nothere", 2, ['The source "nothere" is neither a folder that exists nor']),
    ("train --data diigts", 2, ["(nearest: digits)"]),
    ("train --data empty", 1, ["empty holds no class folders"]),
    ("train --data one", 1, ['only one class, "red"']),
    ("train --data red.png", 2, ["is a file; give the folder"]),
    ("eval model.safetensors --data two --on-bad-image maybe", 2, ["on_bad_image = 'maybe'"]),
    ("train --data damaged", 1, ["red/cut.jpg: truncated", "--on-bad-image skip"]),
    ("train --data huge", 1, ["red/bomb.png: over-large: 30000x30000", "--on-bad-image skip"]),
    ("train --data text", 1, ["red/notes.jpg: wrongly-typed", "--on-bad-image skip"]),
    ("train --data imagenet:", 2, ["write imagenet:PATH"]),
    ("train --data foo:bar", 2, ['no kind of source "foo"']),
    # Training: folders and weights
    ("train --out two", 2, ["two exists; give --out a folder that does not"]),
    ("train --out file", 2, ["file exists; give --out a folder that does not"]),
    ("train --weights two", 2, ["two is a folder; name a file"]),
    ("train --weights other.pth --dry-run", 2, ["does not say to which network its weights belong"]),
    ("train --weights no-tensors.pth", 2, ["holds no state dict"]),
    ("train --weights half.pth", 1, ["half.pth is damaged or truncated"]),
    ("train --weights half.safetensors", 1, ["half.safetensors is damaged or truncated"]),
    ("train --weights red.png", 2, ["red.png is neither"]),
    ("train --weights evil.pth", 2, ["evil.pth holds more than tensors (posix.system), and loading it could run code"]),
    ("train --weights evil2.pth", 2, ["evil2.pth is a pickle of posix.system that torch.save did not write"]),
    ("train --weights evil4.pth", 2, ["evil4.pth is a pickle of posix.system that torch.save did not write"]),
    ("train --weights evil5.pth", 2, ["evil5.pth is a pickle of posix.system that torch.save did not write"]),
    # Resuming
    ("train --resume nothere", 2, ["There is no run folder nothere"]),
    ("train --resume file", 2, ["There is no run folder file"]),
    ("train --resume two", 2, ["two is not a run folder"]),
    ("train --resume no-checkpoint", 2, ["no-checkpoint has no checkpoint"]),
    ("train --resume damaged-toml", 1, ["damaged-toml/run.toml is damaged"]),
    ("train --resume damaged-checkpoint", 1, ["last.safetensors is damaged or truncated"]),
    ("train --resume other-data", 1, ["The data digits has changed since the run began"]),
    ("train --resume no-checkpoint --epochs 3", 2, ["takes no other option"]),
    ("train --resume no-checkpoint --dry-run", 2, ["takes no other option"]),
    ("train --resume no-checkpoint --set lr=3", 2, ["takes no other option"]),
    # Reports, rewriting, checking
    ("report two file", 2, ["two is not a run folder", "There is no run folder file"]),
    ("report damaged-toml", 1, ["damaged-toml/run.toml is damaged"]),
    ("report damaged-results", 1, ["damaged-results/evaluation.json is damaged: results = 3"]),
    ("report no-model nothere --out nodir/x.html", 2, ["There is no run folder nothere", "its folder does not exist"]),
    ("report no-model --out red.png", 2, ["give a file name that ends in .html"]),
    ("report no-model --out two", 2, ["give a file name that ends in .html"]),
    (
        "rewrite nothere --form a --out red.png",
        2,
        ["red.png exists; name a file that does not", '"nothere" is not there'],
    ),
    ("rewrite model.safetensors --form d --out x.safetensors", 2, ["--form d: 'd' is not one of 'a', 'b', 'c'"]),
    (
        "rewrite model.safetensors --deepen 3,x --out x.safetensors",
        2,
        ['--deepen "3,x": give the number of units of every stage'],
    ),
    ("rewrite model.safetensors --deepen 2,1 --out x.safetensors", 2, ["differ in length; give one of each per stage"]),
    (
        "rewrite model.safetensors --widen cardinality --out x.safetensors",
        2,
        ['--widen "cardinality": write it as key=value'],
    ),
    (
        "rewrite model.safetensors --widen width=3 --out x.safetensors",
        2,
        ['"width": there is no such width (nearest: widths'],
    ),
    (
        "rewrite model.safetensors --widen cardinality=9 --widen cardinality=8 --out x.safetensors",
        2,
        ['--widen "cardinality" is given twice'],
    ),
    ("rewrite model.safetensors --widen cardinality=4 --out x.safetensors", 2, ["cardinality = 4: the network has 8"]),
    (
        "rewrite model.safetensors --classes a,b,a --out x.safetensors",
        2,
        ['--classes "a" is given twice; give it once'],
    ),
    ("rewrite model.safetensors --classes a,,b --out x.safetensors", 2, ['--classes "a,,b": a name is empty']),
    (
        "rewrite model.safetensors --classes a --out x.safetensors",
        2,
        ['--classes "a": a classifier needs two classes or more'],
    ),
    (
        "rewrite model.safetensors --in-channels 4 --out x.safetensors",
        2,
        ["--in-channels 4: pictures have 1 channel (grey) or 3"],
    ),
    ("rewrite model.safetensors --in-channels two --out x.safetensors", 2, ["--in-channels two: "]),
    ("rewrite model.safetensors --deepen 2,1,1 --seed=-1 --out x.safetensors", 2, ["--seed -1: "]),
    (
        "rewrite nothere --deepen 0 --widen foo=1 --in-channels 2 --classes a --out nodir/x",
        2,
        [
            "its folder does not exist",
            '"a": a classifier',
            "--in-channels 2",
            '--deepen "0"',
            '"foo"',
            '"nothere" is not',
        ],
    ),
    (
        "rewrite model.safetensors --deepen 1,1,1 --widen base_width=8 --in-channels 1 --pack 1 --out x.safetensors",
        2,
        [
            "in_channels = 1: the network has",
            "depths = [1, 1, 1]",
            "base_width = 8: the network has 16",
            "nothing to pack",
        ],
    ),
    ("rewrite model.safetensors --fold --out x.pth", 2, ["x.pth cannot be the model file; end its name with .safe"]),
    ("rewrite model.safetensors --form a --out nodir/x", 2, ["its folder does not exist"]),
    # Exporting
    ("export", 2, ["Missing argument 'MODEL'"]),
    ("export model.safetensors --format onnx", 2, ["Missing option '--out'"]),
    (
        "export nothere --format onx --out red.png --opset 3 --data nodata --pictures 0",
        2,
        [
            '"nothere" is not there',
            'The source "nodata"',
            'no format "onx" (nearest: onnx); use onnx, torch-export, openvino',
            "opset = 3 is too old",
            "pictures = 0: ",
            "red.png exists; name a file that does not",
        ],
    ),
    ("export model.safetensors --format onnx --out x.onnx --opset 17", 2, ["opset = 17 is too old"]),
    ("export model.safetensors --format onnx --out x.onnx --opset 99", 2, ["opset = 99 is newer than what can be"]),
    (
        "export model.safetensors --format openvino --out x.xml --opset 18",
        2,
        ["opset = 18: only the format onnx has an opset; omit it"],
    ),
    ("export model.safetensors --format onnx --out x.xml", 2, ["ends in .onnx, such as x.onnx"]),
    ("export model.safetensors --format openvino --out nodir/x.xml", 2, ["its folder does not exist"]),
    ("export model.safetensors --format openvino --out two", 2, ["two is a folder; name a file"]),
    ("export model.safetensors --format openvino --out .", 2, ["is a folder; name a file"]),
    ("export model.safetensors --format onnx --out file/x.onnx", 2, ["its folder does not exist"]),
    (
        "export model.safetensors --format torch-export --out x.pt2 --int8",
        2,
        [
            "int8 is for the formats onnx and openvino, not for torch-export",
            "training pictures to calibrate; give them as data (--data",
        ],
    ),
    (
        "export model.safetensors --format onnx --out x.onnx --int8",
        2,
        ["training pictures to calibrate; give them as data (--data"],
    ),
    ("export model.safetensors --format onnx --out x.onnx --data two", 2, ["it does not know blue, red"]),
    ("export model.safetensors --format onnx --out x.onnx --set limit=3", 2, ["name the pictures too"]),
    ("export model.safetensors --format onnx --out x.onnx --threads 0", 2, ["--threads 0: "]),
    ("export resnet18 --format onnx --out x.onnx", 2, ["is the name of a network, without parameters"]),
    (
        "export half.safetensors --format onnx --out y",
        2,
        ["half.safetensors is damaged", "ends in .onnx, such as y.onnx"],
    ),
    ("export other-data --format onnx --out x.onnx", 1, ["The data digits has changed"]),
    # Pushing
    ("push model.safetensors", 2, ["Missing argument 'REPO'"]),
    (
        "push nothere flowers --license apache --revision a/b --dry-run two",
        2,
        [
            '"flowers" is not a repository of the Hub: write OWNER/NAME, such as me/flowers',
            '--revision "a/b": name a branch',
            '--license "apache" is not a licence of the Hub (nearest: apache-2.0',
            '"nothere" is not there',
            "two exists; give --dry-run a folder that does not",
        ],
    ),
    ("push model.safetensors ./out", 2, ["to write the files to a folder, name it with --dry-run DIR"]),
    ("push resnet18 me/x --dry-run out", 2, ["is the name of a network, without parameters"]),
    ("push no-model me/x --dry-run out", 2, ["no-model has no model yet"]),
    ("push half.safetensors me/x --dry-run nodir/out", 2, ["half.safetensors is damaged", "out cannot be made"]),
    ("push other.pth me/x --dry-run out", 2, ["other.pth is a PyTorch checkpoint (a pickle)"]),
    ("push damaged-toml me/x --dry-run out", 1, ["damaged-toml/run.toml is damaged"]),
    ("push empty me/x --dry-run out", 2, ["empty is not a run folder"]),
    ("push model.safetensors me/x --message ''", 2, ['empty ("")']),
    ("check-data nothere", 2, ['The source "nothere"']),
    ("check-data empty", 1, ["empty holds no class folders"]),
    ("check-data two --set foo=3 --set lr=3", 2, ['no setting "foo"', 'no setting "lr"']),
    ("info resnet50 --set base_width=inf", 2, ["base_width = inf"]),
    ("info resnet50 --set base_width=1e300", 2, ["base_width = 1e+300"]),
    ("info resnet50 --set cardinality=99999999999999999999999", 2, ["a whole number of more than 64 bits"]),
    ("train --lr inf", 2, ["optimizer.lr = inf"]),
    ("train --on-bad-image maybe", 2, ["data.on_bad_image = 'maybe'"]),
    ("train resnet18 --set network.id=resnet34", 2, ["twice"]),
    ("train --recipe network.toml", 2, ["network"]),
    ("train --recipe for.toml", 2, ["for"]),
    ("train --set size=99999999999999 --dry-run", 2, ["size"]),
    ("train --out file/sub --dry-run", 2, ["file"]),
    ("eval binary-toml", 1, ["binary-toml/run.toml"]),
]


@pytest.mark.parametrize(("typed", "code", "parts"), CASES, ids=[case[0] for case in CASES])
def test_a_wrong_request_ends_in_sentences(
    typed: str, code: int, parts: list[str], cli: Cli, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    before = snapshot(hostile)
    said = cli(*shlex.split(typed))
    sentences = said.err.splitlines()
    assert said.code == code
    assert said.out == ""
    assert len(sentences) == len(parts), said.err
    for part, sentence in zip(parts, sentences, strict=True):
        assert part in sentence
        assert sentence.startswith("error: ")
        assert sentence.endswith((".", ")"))
    assert snapshot(hostile) == before
    assert not (hostile / "PWNED").exists()


def test_number_of_cases() -> None:
    assert len(CASES) == len({typed for typed, _, _ in CASES}) == 226


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--dry-run", "--epochs", "9" * 5000),
        ("train", "--dry-run", "--seed", "9" * 5000),
        ("train", "--dry-run", "--set", f"length={'9' * 300} epochs"),
        ("plan", "--like", "resnet50", "--cardinality", f"1,{'9' * 300}"),
        ("info", "a" * 100_000),
        ("predict", "a.safetensors", "x.png", "--device", "cuda:" + "9" * 300),
        ("report", "x" * 300),
        ("list", "--" + "x" * 5000),
        ("rewrite", "missing", "--out", "x" * 300, "--strip"),
    ],
)
def test_a_long_value_does_not_drown_the_sentence(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words)
    assert said.code == 2
    assert max(map(len, said.err.splitlines())) < 600
    assert "..." in said.err or "inf epochs" in said.err
