"""The recipes for clusters are valid input for their tools."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"

READ_AS_TASK = """
import sys, yaml, jsonschema, sky
from sky.utils import schemas
with open(sys.argv[1]) as file:
    document = yaml.safe_load(file)
jsonschema.validate(document, schemas.get_task_schema())
task = sky.Task.from_yaml_config(
    document, env_overrides={"NFS": "10.0.0.2:/x"}, secrets_overrides={"RAY_AUTH_TOKEN": "x"}
)
print(task.num_nodes)
"""


def test_the_shell_scripts_of_every_recipe_can_be_parsed() -> None:
    """By bash, which runs them."""
    sky = yaml.safe_load((RECIPES / "skypilot.yaml").read_text("utf-8"))
    scripts = [(RECIPES / "slurm.sbatch").read_text("utf-8"), sky["setup"], sky["run"]]

    for script in scripts:
        parsed = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert (0, "") == (parsed.returncode, parsed.stderr)


def test_recipes_use_only_options_that_triptych_has() -> None:
    """In each call of `triptych run`."""
    from click.testing import CliRunner

    from triptych.cli import cli

    known = CliRunner().invoke(cli, ["run", "--help"]).output
    calls = [
        call
        for path in RECIPES.glob("*.[sy]*")
        for call in re.findall(r"triptych run [^\n]*", path.read_text("utf-8"))
    ]

    assert 3 <= len(calls)
    for call in calls:
        assert set(re.findall(r"--[a-z]+", call)) <= set(re.findall(r"--[a-z]+", known)), call


def test_kuberay_pods_mount_exactly_the_volumes_they_name() -> None:
    """The run's volume is at the same path on every pod."""
    job = yaml.safe_load((RECIPES / "kuberay.yaml").read_text("utf-8"))
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]

    assert ("ray.io/v1", "RayJob") == (job["apiVersion"], job["kind"])
    for group in groups:
        pod = group["template"]["spec"]
        mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
        assert {each["name"] for each in pod["volumes"]} == set(mounted)
        assert "/shared" == mounted["shared"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.slow
def test_skypilot_reads_its_recipe_as_a_task(tmp_path: Path) -> None:
    """With the released package, in its own environment. Nothing is launched."""
    uv = Path(sys.executable).with_name("uv")
    made = subprocess.run([uv, "venv", "-q", "--python", sys.executable, tmp_path / "sky"])
    python = tmp_path / "sky" / "bin" / "python"
    installed = subprocess.run([uv, "pip", "install", "-q", "--python", python, "skypilot==0.14.1"])
    if made.returncode or installed.returncode:
        pytest.skip("SkyPilot can't be installed here")
    read = subprocess.run(
        [python, "-c", READ_AS_TASK, RECIPES / "skypilot.yaml"],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path)},
    )

    assert "2" == read.stdout.strip().splitlines()[-1], read.stderr
