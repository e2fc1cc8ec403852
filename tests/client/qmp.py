#!/usr/bin/env python3
"""QMP sessions as clients hold them: over a UNIX socket, several at once, on a socket that is handed down."""
import json
import os
import socket

from program import QUIET, Program, Qmp, Skip, case, main, wait_until

NONE = ["-M", "none", *QUIET]


def monitor(path):
    return ["-qmp", f"unix:{path},server=on,wait=off"]


@case
def greeting_and_negotiation(folder):
    with Program(*NONE, *monitor(folder / "qmp")), Qmp(folder / "qmp", negotiate=False) as qmp:
        version = qmp.greeting["QMP"]["version"]
        assert version["qemu"] == {"major": 7, "minor": 2, "micro": 0}, version
        assert version["package"].startswith("Rhea "), version
        assert qmp.greeting["QMP"]["capabilities"] == ["oob"]
        error = qmp.refuse("query-status")
        assert error["class"] == "CommandNotFound" and "qmp_capabilities" in error["desc"], error
        error = qmp.refuse("qmp_capabilities", enable=["nosuch"])
        assert error["class"] == "GenericError", error
        assert qmp.ask("qmp_capabilities", enable=["oob"]) == {}
        assert qmp.refuse("qmp_capabilities")["class"] == "CommandNotFound"
        assert qmp.ask("query-version") == version


@case
def ids_and_errors(folder):
    # what is sent -> class of the error (None: it succeeds), words of its text
    rows = [
        ('{"execute":"query-status","id":7}', None, ()),
        ('{"execute":"query-status","id":{"a":[1,null,"x"]}}', None, ()),
        ('{"execute":"query-status","arguments":{}}', None, ()),
        ("{'execute':'query-status'}", None, ()),
        ('{"execute":"nosuch"}', "CommandNotFound", ("The command nosuch has not been found",)),
        ('{"execute":"query-status","arguments":{"x":1}}', "GenericError", ("'x' is unexpected",)),
        ('{"execute":"query-status","nosuch":1}', "GenericError", ("'nosuch' is unexpected",)),
        ('{"execute":7}', "GenericError", ("'execute' must be a string",)),
        ('{"arguments":{}}', "GenericError", ("execute",)),
        ('[]', "GenericError", ("object",)),
        ('{"execute":"device_add","arguments":{"driver":"nosuch"}}', "GenericError",
         ("'nosuch' is not a valid device model name",)),
        ('{"execute":"device_del","arguments":{"id":"nosuch"}}', "DeviceNotFound", ("Device 'nosuch' not found",)),
        ('{"execute":"device_del"}', "GenericError", ("Parameter 'id' is missing",)),
        ('{"execute":"device_del","arguments":{"id":7}}', "GenericError", ("'id', expected: string",)),
        ('{"execute":"qom-list","arguments":{"path":"/nosuch"}}', "DeviceNotFound", ("Device '/nosuch' not found",)),
        ('{"execute":"query-command-line-options","arguments":{"option":"nosuch"}}', "GenericError",
         ("invalid option name: nosuch",)),
        ('}', "GenericError", ("JSON parse error",)),
        ('{"execute":"query-status"}', None, ()),
    ]
    wrong = []
    with Program(*NONE, *monitor(folder / "qmp")), Qmp(folder / "qmp") as qmp:
        for text, kind, words in rows:
            qmp.send(text + "\n")
            answer = qmp.reply()
            error = answer.get("error")
            if kind is None:
                good = error is None and answer["return"]["status"] in ("running", "prelaunch")
                if '"id"' in text:
                    good = good and answer["id"] == json.loads(text)["id"]
            else:
                good = error and error["class"] == kind and all(word in error["desc"] for word in words)
            if not good:
                wrong.append(f"{text} -> {answer}")
        assert not wrong, "\n".join(wrong)


@case
def pieces_and_crowds(folder):
    """Bytes one by one, and many commands in one write: the answers come in order."""
    with Program(*NONE, *monitor(folder / "qmp")), Qmp(folder / "qmp") as qmp:
        for byte in '{"execute":"query-name","id":"slow"}':
            qmp.send(byte)
        assert qmp.reply()["id"] == "slow"
        qmp.send("".join(f'{{"execute":"query-name","id":{n}}}' for n in range(200)))
        assert [qmp.reply()["id"] for _ in range(200)] == list(range(200))


@case
def events_in_order(folder):
    """cont and stop: the event is there, with its time, and the state has changed by the time of the answer."""
    with Program(*NONE, "-S", *monitor(folder / "qmp")) as program, Qmp(folder / "qmp") as qmp:
        assert qmp.ask("query-status") == {"running": False, "singlestep": False, "status": "prelaunch"}
        assert qmp.ask("cont") == {}
        event = qmp.event("RESUME")
        assert set(event["timestamp"]) == {"seconds", "microseconds"} and "data" not in event, event
        assert qmp.ask("query-status")["running"] is True
        assert qmp.ask("stop") == {}
        qmp.event("STOP")
        assert qmp.ask("query-status")["status"] == "paused"
        assert qmp.ask("cont") == {}
        qmp.event("RESUME")
        assert qmp.ask("quit") == {}
        assert qmp.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-qmp-quit"}
        assert qmp.read() is None
        assert program.end()[0] == 0


@case
def two_monitors(folder):
    """Each has its own negotiation; both hear the events; answers go to whoever asked."""
    with Program(*NONE, "-S", *monitor(folder / "a"), "-chardev", f"socket,id=c,path={folder}/b,server=on,wait=off",
                 "-mon", "chardev=c,mode=control") as program:
        with Qmp(folder / "a") as a, Qmp(folder / "b", negotiate=False) as b:
            assert a.ask("cont") == {}
            a.event("RESUME")
            assert b.refuse("query-status")["class"] == "CommandNotFound"
            assert not b.events, "an event before the negotiation"
            assert b.ask("qmp_capabilities") == {}
            assert b.ask("stop") == {}
            a.event("STOP")
            b.event("STOP")
            labels = {row["label"] for row in a.ask("query-chardev")}
            assert {"c", "compat_monitor0"} <= labels, labels
        assert program.process.poll() is None


@case
def reconnect(folder):
    """The next client begins anew: a greeting, and no capabilities of the one before it."""
    with Program(*NONE, *monitor(folder / "qmp")):
        for _ in range(3):
            with Qmp(folder / "qmp", negotiate=False) as qmp:
                assert qmp.refuse("query-status")["class"] == "CommandNotFound"
                assert qmp.ask("qmp_capabilities") == {}
                qmp.send('{"execute":"query-')     # gone in the middle of a command


@case
def inherited_socket(folder):
    """As libvirt starts it: the socket listens already and its number is in the arguments."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "qmp"))
        server.listen(1)
        with Program(*NONE, "-S", "-no-user-config", "-no-shutdown", "-msg", "timestamp=on", "-rtc", "base=utc",
                     "-overcommit", "mem-lock=off", "-boot", "strict=on", "-name", "guest=x,debug-threads=on",
                     "-chardev", f"socket,id=charmonitor,fd={server.fileno()},server=on,wait=off",
                     "-mon", "chardev=charmonitor,id=monitor,mode=control", pass_fds=[server.fileno()]) as program:
            with Qmp(folder / "qmp") as qmp:
                assert qmp.ask("query-name") == {"name": "x"}
            status, stderr = program.terminate()
            assert status == 0, stderr


@case
def descriptors(folder):
    with Program(*NONE, *monitor(folder / "qmp")), Qmp(folder / "qmp") as qmp:
        reader, writer = os.pipe()
        assert "error" in qmp.raw("getfd", fdname="nothing-came-along")
        answer = qmp.raw("getfd", fds=[writer], fdname="pipe")
        assert answer == {"return": {}}, answer
        os.close(writer)
        assert qmp.ask("closefd", fdname="pipe") == {}
        assert os.read(reader, 1) == b"", "the program still holds it"
        os.close(reader)
        with open(folder / "file", "w", encoding="utf-8") as file:
            answer = qmp.raw("add-fd", fds=[file.fileno()], fdset_id=3, opaque="a note")["return"]
        assert answer["fdset-id"] == 3, answer
        (entry,) = qmp.ask("query-fdsets")
        assert entry["fdset-id"] == 3 and entry["fds"][0]["opaque"] == "a note", entry
        assert qmp.ask("remove-fd", fdset_id=3) == {}
        assert qmp.ask("query-fdsets") == []


# Command -> a function that judges what it gives on a q35.
SHAPES = {
    "query-status": lambda r: set(r) == {"running", "singlestep", "status"},
    "query-version": lambda r: set(r) == {"qemu", "package"},
    "query-name": lambda r: r == {"name": "shape"},
    "query-uuid": lambda r: r == {"UUID": "01234567-89ab-cdef-0123-456789abcdef"},
    "query-target": lambda r: r == {"arch": "x86_64"},
    "query-kvm": lambda r: r["enabled"] is False and isinstance(r["present"], bool),
    "query-commands": lambda r: {"name": "query-commands"} in r and len(r) > 60,
    "query-machines": lambda r: {"pc-q35-7.2", "microvm", "none"} <= {row["name"] for row in r}
                                and all({"cpu-max", "hotpluggable-cpus"} <= set(row) for row in r),
    "query-chardev": lambda r: all(set(row) == {"label", "filename", "frontend-open"} for row in r) and r,
    "query-cpus-fast": lambda r: [row["cpu-index"] for row in r] == [0, 1]
                                 and all(row["target"] == "x86_64" and row["qom-path"] and row["props"] for row in r),
    "query-hotpluggable-cpus": lambda r: len(r) == 2 and all({"type", "vcpus-count", "props"} <= set(row) for row in r),
    "query-memory-size-summary": lambda r: r["base-memory"] == 64 << 20,
    "query-current-machine": lambda r: "wakeup-suspend-support" in r,
    "query-qmp-schema": lambda r: {"command", "event", "object", "enum", "builtin", "array"}
                                  <= {row["meta-type"] for row in r},
    "query-command-line-options": lambda r: {"machine", "device", "smp-opts"} <= {row["option"] for row in r}
                                            and all(isinstance(row["parameters"], list) for row in r),
    "query-block": lambda r: r == [],
    "query-named-block-nodes": lambda r: r == [],
    "query-memdev": lambda r: isinstance(r, list),
    "query-fdsets": lambda r: r == [],
    "query-iothreads": lambda r: r == [],
    "query-rx-filter": lambda r: r == [],
    "query-mice": lambda r: isinstance(r, list),
    "query-pci": lambda r: {"bus", "devices"} <= set(r[0]) and any(d["id"]["vendor"] == 0x8086 for d in r[0]["devices"]),
    "query-cpu-definitions": lambda r: {"qemu64", "max"} <= {row["name"] for row in r},
    "query-acpi-ospm-status": lambda r: r == [],
}


@case
def shapes_of_answers(folder):
    wrong, absent = [], []
    with Program("-M", "q35", "-accel", "qtest", *QUIET, "-S", "-m", "64", "-smp", "2", "-name", "shape",
                 "-uuid", "01234567-89ab-cdef-0123-456789abcdef", *monitor(folder / "qmp")) as program, \
            Qmp(folder / "qmp") as qmp:
        known = {row["name"] for row in qmp.ask("query-commands")}
        for name, judge in SHAPES.items():
            if name not in known:       # docs/compatibility.md says which ones come later, and is held to it
                absent.append(name)
                continue
            answer = qmp.raw(name)
            try:
                good = judge(answer["return"])
            except (KeyError, TypeError, IndexError):
                good = False
            if not good:
                wrong.append(f"{name} -> {str(answer)[:300]}")
        assert len(absent) < len(SHAPES) // 2, absent
        assert not wrong, "\n".join(wrong)
        qmp.ask("quit")
        assert program.end()[0] == 0


def check_value(schema, value):
    if schema["type"].endswith("histogram"):
        assert isinstance(value, list) and all(isinstance(part, int) for part in value), (schema, value)
    elif schema.get("unit") == "boolean":
        assert isinstance(value, bool), (schema, value)
    else:
        assert isinstance(value, int) and not isinstance(value, bool), (schema, value)


@case
def statistics_of_kvm(folder):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no /dev/kvm")
    with Program("-M", "q35", "-accel", "kvm", "-smp", "2", "-S", *QUIET, *monitor(folder / "qmp")), \
            Qmp(folder / "qmp") as qmp:
        schemas = {(schema["provider"], schema["target"]): {value["name"]: value for value in schema["stats"]}
                   for schema in qmp.ask("query-stats-schemas")}
        assert schemas == {(schema["provider"], schema["target"]): {value["name"]: value for value in schema["stats"]}
                           for schema in qmp.ask("query-stats-schemas", provider="kvm")}
        assert set(schemas) == {("kvm", "vm"), ("kvm", "vcpu")}, schemas
        if not schemas[("kvm", "vcpu")]:
            raise Skip("KVM has no binary statistics")
        exits = schemas[("kvm", "vcpu")]["exits"]
        assert exits == {"name": "exits", "type": "cumulative", "exponent": 0}, exits
        wait = schemas[("kvm", "vcpu")]["halt_wait_ns"]
        assert wait["unit"] == "seconds" and wait["base"] == 10 and wait["exponent"] == -9, wait
        [machine] = qmp.ask("query-stats", target="vm")
        vcpus = qmp.ask("query-stats", target="vcpu")
        paths = [cpu["qom-path"] for cpu in qmp.ask("query-cpus-fast")]
        assert "qom-path" not in machine and [vcpu["qom-path"] for vcpu in vcpus] == paths, vcpus
        for result in (machine, *vcpus):
            known = schemas[("kvm", "vcpu" if "qom-path" in result else "vm")]
            assert [value["name"] for value in result["stats"]] == list(known)
            for value in result["stats"]:
                check_value(known[value["name"]], value["value"])
        wanted = [{"provider": "kvm", "names": ["exits", "nosuch"]}]
        [one] = qmp.ask("query-stats", target="vcpu", vcpus=[paths[1]], providers=wanted)
        assert one["qom-path"] == paths[1] and [value["name"] for value in one["stats"]] == ["exits"], one
        assert one["stats"][0]["value"] == 0, "it has not run yet"
        qmp.ask("cont")
        wait_until("an exit", lambda: qmp.ask("query-stats", target="vcpu", vcpus=[paths[0]],
                                              providers=wanted)[0]["stats"][0]["value"] > 0)
        for nothing in ({"vcpus": ["/nosuch"]}, {"providers": []}, {"providers": [{"provider": "kvm", "names": ["nosuch"]}]}):
            assert qmp.ask("query-stats", target="vcpu", **nothing) == [], nothing


@case
def statistics_of_nobody(folder):
    """Accelerators that count nothing answer so."""
    for accel in ("tcg", "qtest"):
        socket_path = folder / accel
        with Program("-M", "q35", "-accel", accel, "-S", *QUIET, *monitor(socket_path)), Qmp(socket_path) as qmp:
            assert qmp.ask("query-stats", target="vm") == []
            assert qmp.ask("query-stats", target="vcpu") == []
            assert qmp.ask("query-stats-schemas") == []
            assert "'target'" in qmp.refuse("query-stats")["desc"]
            assert "'nosuch'" in qmp.refuse("query-stats-schemas", provider="nosuch")["desc"]


@case
def another_back_end_under_a_serial_port(folder):
    with Program("-M", "q35", "-accel", "tcg", "-S", *QUIET, "-chardev", "null,id=line", "-device", "isa-serial,chardev=line",
                 *monitor(folder / "qmp")), Qmp(folder / "qmp") as qmp:
        log = {"type": "file", "data": {"out": str(folder / "log")}}
        assert qmp.ask("chardev-change", id="line", backend=log) == {}
        files = {info["label"]: info for info in qmp.ask("query-chardev")}
        assert files["line"] == {"label": "line", "filename": "file", "frontend-open": True}, files
        assert qmp.ask("chardev-change", id="line", backend={"type": "pty", "data": {}})["pty"].startswith("/dev/pts/")
        assert qmp.refuse("chardev-change", id="nosuch", backend=log)["desc"] == "Chardev 'nosuch' does not exist"


@case
def clock_of_microvm(folder):
    """rtc=auto: where guests have no other clock that tells the time of day."""
    rows = [("tcg", "auto", 1), ("tcg", "off", 0), ("qtest", "auto", 0), ("qtest", "on", 1)]
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        rows += [("kvm", "auto", 0), ("kvm", "on", 1)]
    for accel, rtc, wanted in rows:
        path = folder / f"{accel}-{rtc}"
        with Program("-M", f"microvm,accel={accel},rtc={rtc}", "-S", *QUIET, *monitor(path)), Qmp(path) as qmp:
            tree = qmp.ask("human-monitor-command", **{"command-line": "info qtree"})
            assert tree.count("mc146818rtc") == wanted, (accel, rtc, tree)


main()
