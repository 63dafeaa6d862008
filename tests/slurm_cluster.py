"""A Slurm cluster of two nodes on the loopback interface, from Debian's packages, without systemd.

It lives in a mount and a process namespace of its own: its node names resolve only in there, and
all of it ends when the script does. It needs root and the packages; `why_not` says what is missing.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "unshare", "runuser", "mount")
NODES = ("n0", "n1")
GPUS_PER_NODE = 4
_INSIDE = "BNN_SLURM_CHECK"

# Requeued jobs wait for their credentials to expire: cred_expire is as short as Slurm allows.
_CONFIG = """
ClusterName=check
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=10
GresTypes=gpu
NodeName=DEFAULT CPUs=4 RealMemory=2000 Gres=gpu:{gpus}
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=normal Nodes=ALL Default=YES PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL PriorityTier=2
"""


def why_not():
    """Why the cluster cannot be started here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs root on Linux"
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not found; apt-get install {' '.join(PACKAGES)}"
    namespaces = subprocess.run([*_unshare(), "true"], capture_output=True, text=True)
    if namespaces.returncode != 0:
        return f"namespaces are not allowed: {namespaces.stderr.strip()}"
    return None


def install():
    """Installs the packages with apt-get where they are missing and it can."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    if all(shutil.which(name, path=_path()) for name in PROGRAMS):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", "--quiet", *command], env=environment, check=False)


def enter_namespaces():
    """Starts this script again in namespaces of its own, and exits with its code."""
    if os.environ.get(_INSIDE):
        return
    command = [*_unshare(), sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env={**os.environ, _INSIDE: "1"}).returncode)


def start(folder):
    """Starts the cluster below `folder`; returns when both nodes are idle.

    Raises:
      RuntimeError: they are not within a minute; with the ends of the logs.
    """
    folder = pathlib.Path(folder)
    os.environ["PATH"] = _path()
    _write_hosts(folder)
    _start_munge(folder)
    devices = folder / "devices"
    devices.mkdir()
    for index in range(GPUS_PER_NODE):  # character devices stand in for GPUs
        os.mknod(devices / f"gpu{index}", 0o666 | 0o020000, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"Name=gpu File={devices}/gpu[0-{GPUS_PER_NODE - 1}]\n")
    config = folder / "slurm.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder, host=socket.gethostname(), ports=_free_ports(3), gpus=GPUS_PER_NODE
        )
    )
    (folder / "state").mkdir()
    os.environ["SLURM_CONF"] = str(config)
    _daemon(folder, "slurmctld", "-D")
    for node in NODES:
        (folder / node).mkdir()
        _daemon(folder, "slurmd", "-D", "-N", node)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = subprocess.run(["sinfo", "-hN", "-p", "normal", "-o", "%T"], capture_output=True)
        if states.stdout.split() == [b"idle", b"idle"]:
            return
        time.sleep(0.3)
    raise RuntimeError(f"the nodes are not idle after a minute:\n{logs(folder)}")


def logs(folder):
    """The ends of the daemons' logs."""
    ends = []
    for path in [folder / "daemons.out", *sorted(folder.glob("*.log"))]:
        ends += [f"== {path.name}", *path.read_text(errors="replace").splitlines()[-15:]]
    return "\n".join(ends)


def _write_hosts(folder):
    hosts = folder / "hosts"
    hosts.write_text(f"{pathlib.Path('/etc/hosts').read_text()}\n127.0.0.1 {' '.join(NODES)}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def _start_munge(folder):
    munge = folder / "munge"
    munge.mkdir()
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o600)
    for path in (munge, munge / "key"):
        shutil.chown(path, "munge", "munge")
    options = [
        f"--{name}={munge / file}"
        for name, file in (
            ("key-file", "key"),
            ("socket", "socket"),
            ("pid-file", "pid"),
            ("log-file", "log"),
            ("seed-file", "seed"),
        )
    ]
    _daemon(folder, "runuser", "-u", "munge", "--", "munged", "--foreground", *options)
    deadline = time.monotonic() + 15
    while not (munge / "socket").exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"munged does not start:\n{logs(folder)}")
        time.sleep(0.1)


def _daemon(folder, *command):
    with (folder / "daemons.out").open("a") as log:  # they write logs of their own as well
        subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _unshare():
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _path():
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
