#!/usr/bin/env python3
"""The command line: what is wrong is named, help is printed, and the process ends as scripts expect."""
import fcntl
import os
import pty
import shutil
import signal
import subprocess
import termios

from program import BINARY, QUIET, SECONDS, Program, Qmp, Skip, case, main, run, wait_until

HAS_KVM = os.access("/dev/kvm", os.R_OK | os.W_OK)
Q35 = ["-M", "q35", *QUIET]
NONE = ["-M", "none", *QUIET]

# Arguments -> words that standard error must have. {dir} is a folder of the test's own with what make_files leaves.
BAD = [
    # options and machines
    ("-nosuch", "-nosuch: invalid option"),
    ("-M q35 -m", "-m: requires an argument"),
    ("-M nosuch", "nosuch", "Use -machine help"),
    ("-M q35,nosuch=1", "Property 'pc-q35-7.2-machine.nosuch' not found"),
    ("-M q35,accel=nosuch", "invalid accelerator nosuch"),
    ("-M q35 -accel nosuch", "invalid accelerator nosuch"),
    ("-M q35,accel=kvm -accel kvm", 'The -accel and "-machine accel=" options are incompatible'),
    ("-M q35,memory-backend=nosuch", "Memory backend 'nosuch' not found"),
    ("-M pc", "'pc' is not supported yet", "-machine q35"),
    ("-M none -kernel {dir}/text", "The -kernel parameter is not supported"),
    ("-M none -device virtio-rng-pci", "-device virtio-rng-pci: No 'PCI' bus found for device 'virtio-rng-pci'"),
    ("-M none -m 64 -bios {dir}/text -nographic -spice port=1", "-spice is not supported yet"),
    # numbers
    ("-M q35 -m abc", "-m abc"),
    ("-M q35 -m -5", "-m -5"),
    ("-M q35 -m 1000000G", "cannot set up guest memory 'pc.ram'", "Cannot allocate memory"),
    ("-M q35 -m 64,maxmem=32M", "invalid value of maxmem", "0x2000000", "0x4000000"),
    ("-M q35 -m 64,nosuch=1", "nosuch"),
    ("-M q35 -smp abc", "-smp", "'cpus' expects integer"),
    ("-M q35 -smp -1", "-smp", "-1"),
    ("-M q35 -smp 300", "Invalid SMP CPUs 300. The max CPUs supported by machine 'pc-q35-7.2' is 288"),
    ("-M q35 -smp 4,maxcpus=2", "maxcpus must be equal to or greater than smp", "maxcpus (2) < smp_cpus (4)"),
    ("-M q35 -smp cores=3,cpus=4", "product of the hierarchy must match maxcpus", "cores (3)", "maxcpus (4)"),
    ("-M q35 -smp nosuch=1", "-smp", "'nosuch' is unexpected"),
    # processors
    ("-M q35 -cpu nosuch", "unable to find CPU model 'nosuch'"),
    ("-M q35 -cpu qemu64,nosuch=on", "Property 'qemu64-x86_64-cpu.nosuch' not found"),
    ("-M q35 -cpu qemu64,+nosuch", "Property 'qemu64-x86_64-cpu.nosuch' not found"),
    ("-M q35 -cpu qemu64,avx=maybe", "'avx' expects 'on' or 'off'"),
    # devices
    ("-M q35 -device nosuch", "-device nosuch: 'nosuch' is not a valid device model name"),
    ("-M q35 -device virtio-rng-pci,nosuch=1", "Property 'virtio-rng-pci.nosuch' not found"),
    ("-M q35 -device virtio-rng-pci,id=a -device virtio-rng-pci,id=a", "Duplicate", "'a'"),
    ("-M q35 -device virtio-rng-pci,id=1a", "'id' expects an identifier"),
    ("-M q35 -device virtio-rng-pci,addr=99", "addr", "'99'"),
    ("-M q35 -device virtio-rng-pci,addr=0x1f", "slot 31 function 0 not available for virtio-rng-pci", "ICH9-LPC"),
    ("-M q35 -device virtio-rng-pci,bus=nosuch", "Bus 'nosuch' not found"),
    ("-M q35 -device virtio-rng-pci,max-bytes=abc", "max-bytes", "abc"),
    ("-M q35 -device virtio-rng-pci,rng=nosuch", "Device 'nosuch' not found"),
    ("-M q35 -device isa-serial,chardev=nosuch", "can't find value 'nosuch'"),
    ("-M q35 -device isa-serial,index=9", "index", "4"),
    ("-M q35 -device id=a", "Parameter 'driver' is missing"),
    ('-M q35 -device {{"driver":"nosuch"}}', "'nosuch' is not a valid device model name"),
    ('-M q35 -device {{"driver":', "JSON parse error"),
    ("-M q35 -global nosuch", "-global nosuch"),
    ("-M q35 -global virtio-rng-pci.nosuch=1 -device virtio-rng-pci",
     "can't apply global virtio-rng-pci.nosuch=1", "Property 'virtio-rng-pci.nosuch' not found"),
    ("-M q35 -set nosuch", "-set nosuch: can't parse"),
    ("-M q35 -set device.nosuch.addr=1", "there is no device \"nosuch\" defined"),
    ("-M q35 -device virtio-rng-pci,id=a -set device.a.addr=99", "addr", "'99'"),
    # back-ends
    ("-M none -chardev nosuch,id=a", "'nosuch' is not a valid"),
    ("-M none -chardev null", "no id specified"),
    ("-M none -chardev null,id=a -chardev null,id=a", "'a'"),
    ("-M none -chardev file,id=a", "file", "given"),
    ("-M none -chardev null,id=a,nosuch=1", "'nosuch'"),
    ("-M none -chardev socket,id=a,path={dir}/nosuch", "Failed to connect to '{dir}/nosuch'"),
    ("-M none -object nosuch,id=a", "'qom-type' does not accept value 'nosuch'"),
    ("-M none -object memory-backend-ram,size=1M", "Parameter 'id' is missing"),
    ("-M none -object secret,id=a", "Must provide 'file' or 'data'"),
    ("-M none -object secret,id=a,data=b,file=c", "mutually exclusive"),
    ("-M none -object secret,id=a,file={dir}/nosuch", "Unable to read {dir}/nosuch"),
    ("-M none -object secret,id=a,data=**,format=base64", "Secret 'a' is not base64"),
    ("-M none -object secret,id=a,data=b,keyid=c", "not supported yet"),
    ("-M none -object memory-backend-ram,id=a", "-object memory-backend-ram,id=a"),
    ("-M none -object rng-random,id=a,filename={dir}/nosuch", "'{dir}/nosuch'", "No such file or directory"),
    ("-M none -blockdev driver=file,filename={dir}/nosuch,node-name=a", "'{dir}/nosuch'", "No such file or directory"),
    ("-M none -blockdev driver=file,filename={dir}/text", "'node-name' must be specified for the root node"),
    ("-M none -blockdev null-co,node-name=a -blockdev null-co,node-name=a", "Duplicate nodes with node-name='a'"),
    ("-M none -object memory-backend-ram,id=a,size=1M -object memory-backend-ram,id=a,size=1M", "duplicate", "'a'"),
    ("-M q35 -drive if=none,id=a,file=null-co:// -drive if=none,id=a,file=null-co://", "'a'"),
    ("-M none -blockdev driver=nosuch,node-name=a", "'driver' does not accept value 'nosuch'"),
    ("-M none -blockdev driver=file,node-name=a", "Parameter 'filename' is missing"),
    ("-M q35 -drive if=nosuch", "'nosuch'"),
    ("-M q35 -drive file={dir}/nosuch,if=none,format=raw", "'{dir}/nosuch'", "No such file or directory"),
    ("-M q35 -drive file={dir}/text,if=virtio,format=nosuch", "'nosuch'"),
    ("-M q35 {dir}/text", "{dir}/text"),
    ("-M q35 -serial nosuch", "-serial nosuch: 'nosuch' is not a valid char driver"),
    ("-M q35 -parallel nosuch", "-parallel nosuch: 'nosuch' is not a valid char driver"),
    ("-M q35 -parallel null -parallel null -parallel null -parallel null", "max parallel ports (3) reached"),
    ("-M none -monitor nosuch", "-monitor nosuch: 'nosuch' is not a valid char driver"),
    ("-M none -qmp nosuch", "-qmp nosuch: 'nosuch' is not a valid char driver"),
    ("-M none -mon chardev=nosuch", 'chardev "nosuch" not found'),
    ("-M q35 -nic nosuch", "nosuch"),
    ("-M none -add-fd fd=77,set=1", "fd is not valid or already in use"),
    ("-M none -add-fd fd=1,set=1", "fd cannot be used for standard I/O"),
    ("-M none -add-fd fd=5", "'set' is missing"),
    ("-M none -audiodev none", "Parameter 'id' is missing"),
    ("-M none -audiodev nosuch,id=a", "'nosuch' is not supported yet"),
    ("-M none -echr nosuch", "Bad argument to echr"),
    ("-M q35 -k nosuch", "could not read keymap file: 'nosuch'"),
    # what the guest starts from
    ("-M q35 -kernel {dir}/nosuch", "{dir}/nosuch", "No such file or directory"),
    ("-M q35 -kernel {dir}/text", "{dir}/text"),
    ("-M q35 -bios {dir}/nosuch", "could not load PC BIOS '{dir}/nosuch'"),
    ("-M q35 -bios {dir}/text", "could not load PC BIOS '{dir}/text'"),
    ("-M q35 -initrd {dir}/text", "-initrd only allowed with -kernel option"),
    ("-M q35 -append quiet", "-append only allowed with -kernel option"),
    ("-M q35 -boot order=z", "Invalid boot device 'z'"),
    ("-M q35 -boot nosuch=1", "-boot", "'nosuch' is unexpected"),
    ("-M q35 -uuid abc", "-uuid abc"),
    ("-M q35 -name a,nosuch=1", "-name", "'nosuch'"),
    ("-M q35 -smbios type=99", "-smbios type=99"),
    ("-M q35 -smbios nosuch=1", "Must specify type= or file="),
    ("-M q35 -fw_cfg name=a", "-fw_cfg name=a: name, plus exactly one of file, string and gen_id, are needed"),
    ("-M q35 -fw_cfg name=opt/a,file={dir}/nosuch", "{dir}/nosuch", "No such file or directory"),
    # the rest
    ("-M q35 -rtc base=nosuch", "nosuch"),
    ("-M q35 -rtc nosuch=1", "-rtc", "'nosuch'"),
    ("-M q35 -vga nosuch", "unknown vga type: nosuch"),
    ("-M q35 -display nosuch", "-display nosuch: Parameter 'type' does not accept value 'nosuch'"),
    ("-M q35 -display gtk", "-display gtk", "not supported yet"),
    ("-M none -action nosuch=1", "-action nosuch=1", "'nosuch'"),
    ("-M none -action panic=nosuch", "'panic' does not accept value 'nosuch'"),
    ("-M none -watchdog-action nosuch", "'watchdog' does not accept value 'nosuch'"),
    ("-M none -d nosuch", "nosuch"),
    ("-M none -d int -D {dir}/nosuch/log", "{dir}/nosuch/log", "No such file or directory"),
    ("-M none -pidfile {dir}/nosuch/pid", "cannot create PID file", "{dir}/nosuch/pid", "No such file or directory"),
    ("-M none -readconfig {dir}/nosuch", "-readconfig {dir}/nosuch: Could not open '{dir}/nosuch': No such file"),
    ("-M none -readconfig {dir}/bad.cfg", "{dir}/bad.cfg:2"),
    ("-M none -msg nosuch=1", "-msg", "'nosuch'"),
    ("-M none -overcommit nosuch=1", "-overcommit", "'nosuch'"),
    ("-M none -device isa-serial", "-device isa-serial: No 'ISA' bus found"),
    ("-M none -fw_cfg opt/a,string=b", "fw_cfg device not available"),
]


def make_files(folder):
    (folder / "text").write_text("This is neither firmware nor kernel.\n")
    (folder / "bad.cfg").write_text('[machine]\n  type q35\n')


@case
def faults_are_named(folder):
    make_files(folder)
    wrong = []
    for line, *words in BAD:
        args = line.format(dir=folder).split(" ")
        if not HAS_KVM and "accel" not in line:     # else its absence would be the first fault
            args = ["-accel", "qtest", *args]
        done = run(*QUIET, *args)
        missing = [word for word in (w.replace("{dir}", str(folder)) for w in words) if word not in done.stderr]
        if done.returncode != 1 or missing or done.stdout or "qemu-system-x86_64: " not in done.stderr:
            wrong.append(f"{line}\n  exit status {done.returncode}, lacks {missing}, stderr: {done.stderr!r}")
    assert not wrong, "\n".join(wrong)


@case
def too_large_initrd(folder):
    """One that leaves no room in the guest's memory is refused before the guest runs, whatever would run it."""
    kernel = os.environ.get("RHEA_MICRO_KERNEL")
    if not kernel:
        raise Skip("no test kernel")
    with open(folder / "initrd", "wb") as file:
        file.truncate(64 << 20)
    accels = ["qtest"] + ["kvm"] * HAS_KVM
    for accel, board in [(accel, board) for accel in accels for board in ("q35", "microvm")]:
        done = run("-M", board, *QUIET, "-accel", accel, "-m", "32", "-kernel", kernel, "-initrd", str(folder / "initrd"))
        assert done.returncode == 1 and str(folder / "initrd") in done.stderr and "67108864" in done.stderr, done


@case
def smm_without_kvm(_folder):
    """System management mode is refused where the accelerator has none, and left out where nobody asks for it."""
    if not HAS_KVM:
        raise Skip("no /dev/kvm")
    done = run("-M", "q35,smm=on", *QUIET, "-accel", "kvm", "-m", "32")
    assert done.returncode == 1 and "'smm' is 'on', must be 'off' or 'auto': kvm-accel has no" in done.stderr, done


@case
def locked_image(folder):
    """An image that another process writes to is not opened for writing; the fault names image and reason."""
    image = folder / "disk"
    image.write_bytes(bytes(1 << 20))
    machine = [*Q35, "-m", "32", "-accel", "qtest", "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
    disk = f"file={image},format=raw,if=virtio"
    with Program(*machine, "-drive", disk) as program:
        with Qmp(folder / "qmp") as qmp:
            assert qmp.ask("query-status")["status"], "it runs, with the lock"
        for options, lock in ((disk, '"write" lock'), (disk + ",readonly=on", 'shared "write" lock')):
            done = run(*Q35, "-m", "32", "-accel", "qtest", "-drive", options)
            assert done.returncode == 1 and f"Failed to get {lock}" in done.stderr and str(image) in done.stderr, done
            assert "Is another process using the image" in done.stderr, done
        program.terminate()
    with Program(*machine, "-drive", disk) as program, Qmp(folder / "qmp") as qmp:     # the lock went with its owner
        qmp.ask("quit")
        assert program.end()[0] == 0


@case
def no_permission_for_kvm(folder):
    """Somebody whom /dev/kvm is closed to is told so, and not that there is none."""
    who = {}
    if not os.path.exists("/dev/kvm"):
        raise Skip("no /dev/kvm")
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        if os.geteuid() or os.stat("/dev/kvm").st_mode & 0o006:
            raise Skip("/dev/kvm is open to whom this test could be")
        who = {"user": 65534, "group": 65534, "extra_groups": []}
    folder.chmod(0o755)
    program = shutil.copy(shutil.which(BINARY), folder)       # where anybody may run it
    done = subprocess.run([program, *Q35, "-accel", "kvm"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=SECONDS, check=False, **who)
    assert done.returncode == 1 and "no permission to open /dev/kvm" in done.stderr, done


# Arguments -> words that standard output must have.
HELP = [
    ("-help", "usage:", "-machine", "-device", "-nographic"),
    ("-h", "usage:"),
    ("--help", "usage:"),
    ("-version", "QEMU emulator version 7.2.0", "Rhea"),
    ("-device help", 'name "virtio-rng-pci", bus PCI', 'name "isa-serial"', "Misc devices:"),
    ("-device ?", 'name "virtio-rng-pci"'),
    ("-device virtio-rng-pci,help", "virtio-rng-pci options:", "max-bytes=<uint64>", "addr=<"),
    ("-device help -nosuch", "Misc devices:"),
    ("-machine help", "q35", "microvm", "none", "alias of pc-q35-7.2"),
    ("-M help", "Supported machines are:"),
    ("-M q35,help", "pc-q35-7.2 options:", "smm=<"),
    ("-cpu help", "qemu64", "Recognized CPUID flags:", "avx2"),
    ("-accel help", "Accelerators supported in QEMU binary:", "kvm"),
    ("-object help", "List of user creatable objects:", "memory-backend-ram"),
    ("-object memory-backend-ram,help", "size=<size>"),
    ("-chardev help", "Available chardev backend types:", "socket"),
    ("-d help", "guest_errors"),
    ("-trace help",),
]


@case
def help_is_printed(_folder):
    wrong = []
    for line, *words in HELP:
        done = run(*line.split(" "))
        missing = [word for word in words if word not in done.stdout]
        if done.returncode or missing or done.stderr:
            wrong.append(f"{line}: exit status {done.returncode}, lacks {missing}, stderr: {done.stderr!r}")
    assert not wrong, "\n".join(wrong)
    done = run("-device", "nosuch,help")
    assert done.returncode == 1 and "'nosuch' is not a valid device model name" in done.stderr, done
    done = run("-M", "nosuch,help")
    assert done.returncode == 1 and "nosuch" in done.stderr, done


@case
def every_device_has_help(_folder):
    listed = [line.split('"')[1] for line in run("-device", "help").stdout.splitlines() if line.startswith("name ")]
    assert len(listed) > 30, listed
    for name in [name for name in listed if not name.endswith("-x86_64-cpu")]:
        done = run("-device", f"{name},help")
        assert done.returncode == 0 and name in done.stdout, (name, done)


@case
def warnings_do_not_stop(_folder):
    done = run(*NONE, "-trace", "nosuch", "-global", "nosuch.x=1", "-qmp", "stdio",
               text='{"execute":"qmp_capabilities"}{"execute":"quit"}')
    assert done.returncode == 0, done
    assert "qemu-system-x86_64: warning: global nosuch.x has invalid class name" in done.stderr, done
    assert "trace event 'nosuch' does not exist" in done.stderr, done


@case
def signals_end_it(folder):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        path = folder / f"qmp{number}"
        with Program(*NONE, "-qmp", f"unix:{path},server=on,wait=off") as program, Qmp(path) as qmp:
            program.process.send_signal(number)
            event = qmp.event("SHUTDOWN")
            status, stderr = program.end()
        assert status == 0, (number, status, stderr)
        assert event["data"] == {"guest": False, "reason": "host-signal"}, event
        assert f"qemu-system-x86_64: terminating on signal {int(number)} from pid {os.getpid()}" in stderr, stderr


@case
def messages_with_time(_folder):
    with Program(*NONE, "-msg", "timestamp=on", "-global", "nosuch.x=1", "-qmp", "stdio") as program:
        wait_until("a start", lambda: program.process.stdout.readline())
        status, stderr = program.terminate()
    assert status == 0, stderr
    for line in stderr.splitlines():
        assert line[4] == "-" and line[10] == "T" and "Z qemu-system-x86_64: " in line, line


@case
def daemon(folder):
    """The command returns when the daemon listens; its pidfile names it and goes with it."""
    pidfile, socket = folder / "pid", folder / "qmp"
    done = run(*NONE, "-daemonize", "-pidfile", str(pidfile), "-qmp", f"unix:{socket},server=on,wait=off")
    assert done.returncode == 0 and not done.stderr, done
    pid = int(pidfile.read_text())
    try:
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert os.getsid(pid) != os.getsid(0)
        second = run(*NONE, "-pidfile", str(pidfile))
        assert second.returncode == 1 and "cannot create PID file" in second.stderr, second
        with Qmp(socket) as qmp:
            assert qmp.ask("quit") == {}
        wait_until("the daemon's end", lambda: not os.path.exists(f"/proc/{pid}"))
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    assert not pidfile.exists()


@case
def daemon_that_fails(folder):
    done = run(*NONE, "-daemonize", "-pidfile", str(folder / "pid"), "-device", "nosuch")
    assert done.returncode == 1 and "'nosuch'" in done.stderr, done
    assert not (folder / "pid").exists()


@case
def configuration_file(folder):
    config = folder / "machine.cfg"
    config.write_text('# a comment\n[machine]\n  type = "none"\n\n[chardev "mon"]\n  backend = "socket"\n'
                      f'  path = "{folder}/qmp"\n  server = "on"\n  wait = "off"\n'
                      '[mon]\n  chardev = "mon"\n  mode = "control"\n[name]\n  guest = "from a file"\n')
    with Program(*QUIET, "-readconfig", str(config)) as program:
        with Qmp(folder / "qmp") as qmp:
            assert qmp.ask("query-name") == {"name": "from a file"}
            qmp.ask("quit")
        assert program.end()[0] == 0


@case
def terminal_is_restored(_folder):
    """A serial port on the terminal makes it raw; whichever way the program ends, the shell gets it back as it was."""
    for ending in ("quit", "signal"):
        master, slave = pty.openpty()
        before = termios.tcgetattr(slave)
        child = subprocess.Popen([BINARY, *NONE, "-qmp", "stdio"], stdin=slave, stdout=slave, stderr=slave)
        seen = b""
        while b"\n" not in seen:
            seen += os.read(master, 4096)
        assert termios.tcgetattr(slave)[3] != before[3], "the terminal is not raw while the program has it"
        if ending == "quit":
            os.write(master, b'{"execute":"qmp_capabilities"}{"execute":"quit"}')
        else:
            child.terminate()
        assert child.wait(20) == 0
        assert termios.tcgetattr(slave) == before, ending
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK, "left non-blocking"
        os.close(master)
        os.close(slave)


main()
