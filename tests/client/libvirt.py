#!/usr/bin/env python3
"""libvirt on top of the program: it takes the program for what it replaces, and drives a machine with it.

libvirt's QEMU driver runs inside virsh (qemu:///embed), below a folder of the test's own: no daemon, nothing of the
host's configuration. As root only, as that driver has it.
"""
import os
import pwd
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from program import BINARY, SCALE, case, main


def why_not():
    """Why libvirt cannot be tested here; None if it can."""
    if not shutil.which("virsh"):
        return "libvirt-clients is not installed"
    if not any(os.path.exists(f"{path}/libvirt/connection-driver/libvirt_driver_qemu.so")
               for path in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")):
        return "libvirt-daemon-driver-qemu is not installed"
    if os.geteuid():
        return "libvirt's embedded driver needs root"
    try:
        pwd.getpwnam("libvirt-qemu")
    except KeyError:
        return "there is no user libvirt-qemu; libvirt-daemon-system makes it"
    return None


def virsh(folder, *commands):
    """(exit status, standard output, standard error) of one virsh, which is also the daemon meanwhile."""
    root = folder / "root"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/qemu.conf").write_text(f'user = "+{os.getuid()}"\ngroup = "+{os.getgid()}"\n'
                                        'security_driver = "none"\ndynamic_ownership = 0\nremember_owner = 0\n'
                                        'stdio_handler = "file"\ncgroup_controllers = []\nnamespaces = []\n')
    env = dict(os.environ, HOME=str(folder), **{f"XDG_{name}": str(folder) for name in
                                                ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "RUNTIME_DIR")})
    done = subprocess.run(["virsh", "-q", "-c", f"qemu:///embed?root={root}", "; ".join(commands)], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90 * SCALE, check=False)
    return done.returncode, done.stdout, done.stderr


def capabilities(folder, machine, kind="kvm"):
    status, out, err = virsh(folder, f"domcapabilities --emulatorbin {BINARY} --machine {machine} --virttype {kind}")
    assert status == 0, err
    return ElementTree.fromstring(out)


@case
def domain_capabilities(folder):
    caps = capabilities(folder, "q35")
    assert caps.findtext("path") == BINARY
    assert caps.findtext("domain") == "kvm"
    assert caps.findtext("machine") == "pc-q35-7.2"
    assert caps.findtext("arch") == "x86_64"
    assert caps.find("vcpu").get("max") == "288"
    assert caps.find("cpu/mode[@name='host-passthrough']").get("supported") == "yes"
    models = {model.text for model in caps.iterfind("devices/rng/enum[@name='model']/value")}
    assert "virtio" in models, models
    assert capabilities(folder, "microvm").findtext("machine") == "microvm"


DOMAIN = f"""<domain type='kvm'><name>test</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><emulator>{BINARY}</emulator><controller type='usb' model='none'/><memballoon model='virtio'/>
<serial type='pty'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>"""


@case
def life_of_a_domain(folder):
    """From create to destroy; each state is what libvirt made of our events."""
    (folder / "domain.xml").write_text(DOMAIN)
    status, out, err = virsh(folder, f"create {folder}/domain.xml --paused", "domstate test", "resume test",
                             "domstate test", "suspend test", "domstate test", "dommemstat test",
                             "ttyconsole test", "qemu-monitor-command test '{\"execute\":\"query-status\"}'",
                             "reset test", "destroy test", "list --all")
    log = folder / "root/log/qemu/test.log"
    told = log.read_text() if log.exists() else ""
    assert status == 0, (err, told)
    states = [line for line in out.splitlines() if line in ("paused", "running")]
    assert states == ["paused", "running", "paused"], out
    assert "actual 65536" in out and "/dev/pts/" in out and '"status":"paused"' in out.replace(" ", ""), out
    assert "terminating on signal 15" in told and "reason=destroyed" in told, told


if why_not():
    print(f"1..0 # SKIP {why_not()}")
    sys.exit(0)
if not os.access("/dev/kvm", os.R_OK | os.W_OK):
    print("1..0 # SKIP no usable /dev/kvm")
    sys.exit(0)
main()
