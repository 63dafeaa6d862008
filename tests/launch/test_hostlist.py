import pytest

from launch.hostlist import expand_hosts, tasks_per_node


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("localhost", "localhost"),
        ("n[1-3,7]", "n1 n2 n3 n7"),
        ("n[08-10]", "n08 n09 n10"),
        ("gpu-a100-[001-002].site.org,cpu7", "gpu-a100-001.site.org gpu-a100-002.site.org cpu7"),
        ("rack[1-2]node[3,5]", "rack1node3 rack1node5 rack2node3 rack2node5"),
        ("a,b[1,3-4],c", "a b1 b3 b4 c"),
        ("n[99-101]", "n99 n100 n101"),
    ],
)
def test_host_lists(text, hosts):
    assert expand_hosts(text) == hosts.split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n[1-3", "brackets that do not match"),
        ("n1-3]", "brackets that do not match"),
        ("n[1[2]]", "brackets that do not match"),
        ("n[3-1]", r"has the range '3-1'; expected as in '1-3'"),
        ("n[a-b]", r"has the range 'a-b'"),
        ("n[]", r"has the range ''"),
        ("", r"host list '' is empty"),
    ],
)
def test_malformed_host_lists(text, message):
    with pytest.raises(ValueError, match=message):
        expand_hosts(text)


@pytest.mark.parametrize(
    ("text", "counts"), [("1", [1]), ("2(x3),1", [2, 2, 2, 1]), ("4,2(x2)", [4, 2, 2])]
)
def test_task_counts(text, counts):
    assert tasks_per_node(text) == counts


def test_malformed_task_counts():
    with pytest.raises(ValueError, match=r"task counts '2x3' are not of the form '2\(x3\),1'"):
        tasks_per_node("2x3")
