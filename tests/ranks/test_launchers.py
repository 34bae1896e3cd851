"""The scripts that start several processes: bash reads them, and torchrun and Cardinet understand their words."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from cli.cli_runner import command_line

FOLDER = Path(__file__).parents[2] / "docs" / "launchers"
SCRIPTS = sorted(FOLDER.glob("*.sh"))


def test_scripts_counted() -> None:
    assert [script.name for script in SCRIPTS] == ["one_machine.sh", "slurm.sh", "two_machines.sh"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_understood(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^(?:srun )?torchrun (.*?)(?: &)?$", text, re.MULTILINE)
    words = [re.sub(r"^\$\w+$|\$\{[^}]*\}", "2", word) for word in shlex.split(line)]
    at = words.index("cardinet")
    launcher = get_args_parser().parse_args(words[: at + 1])
    assert launcher.no_python
    assert launcher.max_restarts == 3
    assert launcher.training_script == "cardinet"
    verb = command_line().commands[words[at + 1]]
    with verb.make_context(words[at + 1], words[at + 2 :]) as context:
        assert context.params["out"] is not None
        assert context.params["batch_size"] % 8 == 0


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script.stem == "slurm"], ids=["slurm"])
def test_slurm_reads_its_options(script: Path) -> None:
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    assert {"job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "time", "signal"} == set(options)
    assert options["ntasks-per-node"] == "1"  # one torchrun for each node
    assert f"--nproc-per-node {options['gpus-per-node']}" in script.read_text()
