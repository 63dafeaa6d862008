import json
import socket

import pytest

from launch.cluster import free_ports, gpu_share, listens, tf_config, visible_gpus


def test_ports_are_different_and_free():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_tf_config_has_the_form_that_tensorflow_reads():
    assert json.loads(tf_config(["a:1", "b:2"], 1)) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }


def test_listens_sees_a_server_and_its_end():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert listens(address)
    assert not listens(address)
    assert not listens("no.such.host.invalid:80")


def test_gpus_come_from_the_variable_or_from_nvidia_smi(fake_program):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2, GPU-8a"}) == ["2", "GPU-8a"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    fake_program("nvidia-smi", "echo 'GPU 0: A (UUID: x)'; echo 'GPU 1: A (UUID: y)'; echo MIG")
    assert visible_gpus({}) == ["0", "1"]
    fake_program("nvidia-smi", "exit 9")
    assert visible_gpus({}) == []


def test_gpus_are_divided_in_order():
    gpus = ["4", "5", "6", "7"]
    assert [gpu_share(gpus, 2, index) for index in range(2)] == ["4,5", "6,7"]
    assert gpu_share(gpus, 0, 3) == "-1"
    with pytest.raises(ValueError, match=r"worker 2 needs GPUs 4 to 5, but only 4 can be seen"):
        gpu_share(gpus, 2, 2)
