"""The example manifest against Kubernetes's own schema, and against what a TFJob consists of."""

import copy
import pathlib

import pytest
import yaml

from launch.children import START_AGAIN
from launch.command import check_arguments

ROOT = pathlib.Path(__file__).parents[2]
JOB = yaml.safe_load((ROOT / "launch/kubernetes/tfjob.yaml").read_text())
WORKER = JOB["spec"]["tfReplicaSpecs"]["Worker"]
# The definition of tfjobs.kubeflow.org, version v1.
SPEC = {"enableDynamicWorker", "runPolicy", "successPolicy", "tfReplicaSpecs"}
RUN_POLICY = {
    "activeDeadlineSeconds",
    "backoffLimit",
    "cleanPodPolicy",
    "schedulingPolicy",
    "suspend",
    "ttlSecondsAfterFinished",
}


def test_the_job_has_the_fields_of_a_tfjob():
    assert (JOB["apiVersion"], JOB["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert set(JOB) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(JOB["spec"]) <= SPEC
    assert set(JOB["spec"]["runPolicy"]) <= RUN_POLICY
    assert set(WORKER) == {"replicas", "restartPolicy", "template"}
    [container] = WORKER["template"]["spec"]["containers"]
    assert container["name"] == "tensorflow"
    assert container["ports"][0]["name"] == "tfjob-port"


def test_a_stopped_worker_starts_again():
    assert START_AGAIN < 128, "ExitCode takes codes below 128 for final"
    assert WORKER["restartPolicy"] == "OnFailure"


def test_the_command_is_one_that_a_run_takes(monkeypatch):
    monkeypatch.chdir(ROOT)
    [container] = WORKER["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "bnn.run"]
    check_arguments("bnn.run", container["args"])


def test_the_pods_fit_kubernetes_schema():
    validate = pytest.importorskip("kubernetes_validate")
    version = validate.latest_version()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = WORKER["template"]["spec"]
    validate.validate(pod, version, strict=True)
    wrong = copy.deepcopy(pod)
    wrong["spec"]["containers"][0]["arguments"] = ["x"]
    with pytest.raises(validate.ValidationError, match="'arguments' was unexpected"):
        validate.validate(wrong, version, strict=True)
