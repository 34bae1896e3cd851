"""Wrong values by what they are given for: numbers, text, places, sources, devices, parts of networks.

None has a NUL character: no system passes one on to a program.
"""

from __future__ import annotations

NUMBERS = (
    "0", "-1", "1", "2", "3.5", "1e308", "-1e308", "1e-400", "1e-320", "nan", "inf", "-inf", "1" + "0" * 30, "9" * 30,
    "-" + "9" * 30, "9" * 5000, "1" + "0" * 400, "1e999999999", "0." + "0" * 500 + "1", "9223372036854775807",
    "9223372036854775808", "2147483648", "4294967296", "1000000000", "0x10", "1_000", "²", "٣", "١٢", "½", "+1", "1.",
    "007", "", " ", "1,2", "1,,2", ",", "1,2,x", "1," * 3000 + "1", "two", "--", "true", "[1, 2]", "[[]]", "[nan, 1]",
    "[1e308, 1e308]", "[" * 3000, "0.0000001", "1e7", "99999", "-0", "-0.0", "1 2", "1;2", "1e", "e5",
)  # fmt: skip
LIMITS = tuple(
    f"{kind}={number}{unit}"
    for kind, unit in (("params", "M"), ("macs", ""), ("activations", ""), ("memory", "MB"), ("latency", "ms"))
    for number in NUMBERS
)
TEXTS = (
    "x", " ", "resnt18", "a b", "ü猫", "\x1b[31m", "a\nb", "a\tb", "\x7f", "\u202eabc", "\u200b", "\ufeff",
    "\udcff", "a" * 100_000, "(" * 3000, "[" * 3000, "{" * 3000, "a." * 3000 + "a", "a=" * 3000, "%s%n", "{0}",
    "${HOME}", "../..", "'", '"', "'''", '"""', "\\", "\\u0000", "-", "--", "=", "=x", "a=b", "*", "[a-", "[", "(", ":",
    ",", "/", "#", "none", "None", "null", "true", "É" * 200, "🧶", "cpu", "quick", "digits", "[b]x[/b]", "[/]",
)  # fmt: skip
PATHS = (
    "missing", "missing/x", "folder", "file", "file/x", "pipe", "socket", "dangling", "loop", "closed", "closed/x",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "/proc", "/proc/self/mem", "/proc/self/environ", "/proc/new",
    "/sys/new", "x" * 300, "x/" * 2000 + "x", "\x1b[2J", "new\nline", "\udcff", "bytes\udcff", "~nobody/x", "~",
    ".", "..", "/", "//", "model.safetensors", "half.safetensors", "empty.safetensors", "pipe.safetensors",
    "big.safetensors", "red.png", "half.png", "pipe.png", "empty", "set", "set/ant", "piped", "recipe.toml",
    "pipe.toml", "deep.toml", "folder.toml", "zero.toml", "new.csv", "new.html", "new.onnx", "new.pt2", "dangling.csv",
    "loop.html", "folder.csv", "done", "broken", "done/model.safetensors", "*.png", "**", "[", "x" * 252 + ".csv",
    "new.", ".new", " new", "new ", "-new", "a:b", "a=b", "sweep.toml",
)  # fmt: skip
SOURCES = (
    "digits", "digit", "digits:x", "set", "set/", "piped", "missing", "file", "pipe", "socket", "loop", "dangling",
    "closed", "parquet:pipe", "parquet:set", "parquet:loop", "parquet:piped.parquet", "parquet:piped-parquet",
    "parquet:/dev/zero", "parquet:socket", "imagenet:set", "imagenet:", "imagenet:pipe", "imagenet:piped-imagenet",
    "imagenet:missing", "csv:file", "csv:pipe", "nothing:x", ":", "::", ":x", "parquet:", "parquet:*", "parquet:[",
    "parquet:\udcff", "/dev/zero", "webdataset:x", "parquet:" + "x" * 300, "parquet:" + "**/" * 500, "x" * 300,
    "\x1b[2J", "model.safetensors", "done", "..", "parquet:empty", "cifar10:set", "cifar10:pipe",
)  # fmt: skip
DEVICES = (
    "cpu:", "cpu:0", "cpu:1", "cuda", "cuda:", "cuda:0", "cuda:²", "cuda:٣", "cuda:-1", "cuda:1e3", "cuda:" + "9" * 20,
    "cuda:" + "9" * 5000, "cuda:0:0", "meta", "mps", "xpu", "tpu", "CPU", " cpu", "auto:1", "cuda:0x1", "privateuseone",
    "hpu:1", "gpu",
)  # fmt: skip
DURATIONS = (
    "1e308 epochs", "9e99 steps", "1e400 examples", "nan epochs", "inf steps", "-1 epochs", "0 epochs", "0 steps",
    "1e-5 epochs", "² epochs", "1 epochs epochs", "100 %", "101 %", "1e15 %", "5", "epochs", "9" * 5000 + " steps",
    "1e15 steps", "1e15 epochs", "0." + "0" * 400 + "1 epochs", "1  epoch", "1,5 epochs", '["1 epoch", "x"]', "[1]",
)  # fmt: skip
STRUCTURES = (
    "SqueezeExcite(", "SqueezeExcite(reduction=0)", "SqueezeExcite(reduction=" + "9" * 5000 + ")", "SqueezeExcite()",
    "Stem(", "Stem()", "Scaled(skip=nan)", "Grouped(cardinality=1e30)", "Nothing()", "Residual()", "Add(x=1)", "Add(1)",
    "Levels(around=[])", "Swapout(last=[1])", "SqueezeExcite(SqueezeExcite(" * 1000, "A(B=C(D=E()))", "Stem()()",
    "[[[]]]", "[[1, [2]], 3]", "{a = 1}", "{part = 'Stem'}", "[1, 'a']", "2024-01-01", "07:32:00", '"\\u0000"',
    "x\ny = 3", "'a'\nb = 1", "[nan]", "[0, 0, 0]", "[1, 1, 1, 1, 1, 1, 1]", "[-1]", "[1e308]", "[[3, 1], [5, 0]]",
    "[" + "1, " * 5000 + "1]", "[99999999999, 1]", "[]", "{}", "bn relu conv", "conv " * 3000, "relu", "''",
)  # fmt: skip
