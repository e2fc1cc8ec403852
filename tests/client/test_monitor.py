"""Monitors as other programs use them: libvirt's probe, libguestfs's batch, scripts on sockets, a person's
terminal. Usage: test_monitor.py PROGRAM"""

import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROGRAM = sys.argv.pop(1)
WAIT = 10


class Qmp:
    """A QMP client on a unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(path)
        self.file = self.sock.makefile('rw')
        self.events = []
        self.greeting = self.read()

    def read(self):
        return json.loads(self.file.readline())

    def ask(self, command, **arguments):
        message = {'execute': command, 'id': 'x'}
        if arguments:
            message['arguments'] = {k.replace('_', '-'): v for k, v in arguments.items()}
        self.file.write(json.dumps(message) + '\n')
        self.file.flush()
        while True:
            reply = self.read()
            if 'event' not in reply:
                return reply
            self.events.append(reply['event'])

    def close(self):
        self.file.close()
        self.sock.close()


class Monitor(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, 'monitor')
        self.addCleanup(self.dir.cleanup)

    def start(self, *args, **kwargs):
        process = subprocess.Popen([PROGRAM, '-M', 'none', '-S', '-nodefaults', '-display', 'none', *args], **kwargs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def connect(self):
        self.wait_for_socket()
        return Qmp(self.path)

    def wait_for_socket(self):
        """The program is asked to listen but has no way to say when it does."""
        for _ in range(WAIT * 100):
            if self.listens():
                return
            time.sleep(0.01)
        self.fail('nobody listens')

    def listens(self):
        with open('/proc/net/unix', encoding='ascii') as table:
            return any(line.split()[3] == '00010000' for line in table if line.rstrip().endswith(self.path))

    def test_probe(self):
        pidfile = os.path.join(self.dir.name, 'pid')
        result = subprocess.run(
            [PROGRAM, '-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=kvm:tcg', '-qmp',
             f'unix:{self.path},server=on,wait=off', '-pidfile', pidfile, '-daemonize'],
            capture_output=True, timeout=WAIT, check=False)
        if result.returncode:
            self.assertIn(b'accel', result.stderr)
            self.skipTest('no accelerator here: ' + result.stderr.decode())
        with open(pidfile, encoding='ascii') as file:
            pid = int(file.read())
        qmp = Qmp(self.path)    # at once: it listens when the parent has ended
        self.assertEqual(qmp.ask('qmp_capabilities')['return'], {})
        self.assertEqual(qmp.ask('query-version')['return']['qemu'], {'major': 7, 'minor': 2, 'micro': 0})
        self.assertEqual(qmp.ask('query-target')['return'], {'arch': 'x86_64'})
        self.assertTrue(qmp.ask('query-qmp-schema')['return'])
        for command in ('query-commands', 'qom-list-types', 'query-machines', 'query-command-line-options'):
            self.assertTrue(qmp.ask(command)['return'], command)
        unknown = qmp.ask('device-list-properties', typename='no-such-device')
        self.assertEqual(unknown['error']['class'], 'DeviceNotFound')
        for name in ('memory-backend-file', 'max-x86_64-cpu', 'none-machine'):
            self.assertTrue(qmp.ask('qom-list-properties', typename=name)['return'], name)
        self.assertEqual(qmp.ask('query-tpm-models')['error']['class'], 'CommandNotFound')
        os.kill(pid, signal.SIGTERM)
        shutdown = qmp.read()
        self.assertEqual(shutdown['event'], 'SHUTDOWN')
        self.assertEqual(shutdown['data'], {'guest': False, 'reason': 'host-signal'})
        self.assertEqual(qmp.file.readline(), '')
        qmp.close()
        self.assertEqual([name for name in os.listdir(self.dir.name) if name == 'monitor'], [])

    def test_batch_on_one_line(self):
        commands = '{"execute":"qmp_capabilities"} {"execute":"query-qmp-schema"} {"execute":"quit"}\n'
        process = self.start('-qmp', 'stdio', stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lines = process.communicate(commands, timeout=WAIT)[0].splitlines()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(lines), 5)
        self.assertEqual(lines[1], '{"return": {}}')
        self.assertEqual(json.loads(lines[3])['event'], 'SHUTDOWN')     # before the reply of quit
        self.assertEqual(lines[4], '{"return": {}}')

    def test_clients_come_back(self):
        self.start('-qmp', f'unix:{self.path},server,nowait')
        for _ in range(3):
            qmp = self.connect()
            self.assertIn('QMP', qmp.greeting)
            self.assertEqual(qmp.ask('query-name')['error']['class'], 'CommandNotFound')
            qmp.ask('qmp_capabilities')
            self.assertEqual(qmp.ask('cont')['return'], {})
            self.assertEqual(qmp.ask('stop')['return'], {})
            self.assertEqual(qmp.events, ['RESUME', 'STOP'])    # each before its reply
            qmp.close()

    def test_inherited_listener(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        self.start('-chardev', f'socket,id=mon,fd={listener.fileno()},server=on,wait=off', '-mon',
                   'chardev=mon,id=monitor,mode=control', pass_fds=[listener.fileno()])
        listener.close()
        qmp = self.connect()
        qmp.ask('qmp_capabilities')
        self.assertEqual(qmp.ask('query-status')['return']['status'], 'prelaunch')
        qmp.close()

    def test_passed_descriptor(self):
        self.start('-qmp', f'unix:{self.path},server,nowait')
        qmp = self.connect()
        qmp.ask('qmp_capabilities')
        ours, theirs = socket.socketpair()
        socket.send_fds(qmp.sock, [b'{"execute":"getfd","arguments":{"fdname":"s"}}'], [theirs.fileno()])
        self.assertEqual(qmp.read(), {'return': {}})
        theirs.close()
        backend = {'type': 'socket', 'data': {'addr': {'type': 'fd', 'data': {'str': 's'}}, 'server': False}}
        self.assertEqual(qmp.ask('chardev-add', id='c', backend=backend)['return'], {})
        self.assertEqual(qmp.ask('chardev-remove', id='c')['return'], {})
        self.assertEqual(ours.recv(1), b'')
        ours.close()
        qmp.close()

    def test_human_monitor(self):
        self.start('-name', 'tester', '-monitor', f'unix:{self.path},server=on,wait=off')
        self.wait_for_socket()
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(WAIT)
        client.connect(self.path)
        seen = b''
        while b'(qemu) ' not in seen:
            seen += client.recv(4096)
        self.assertTrue(seen.startswith(b"QEMU 7.2.0 monitor - type 'help' for more information\r\n"))
        client.sendall(b'info na\t\n')
        seen = b''
        while b'(qemu) ' not in seen:
            seen += client.recv(4096)
        self.assertIn(b'\r\ntester\r\n', seen)
        client.close()

    def test_terminal_is_restored(self):
        for ending in ('quit', 'terminate', 'suspend'):
            master, slave = pty.openpty()
            before = termios.tcgetattr(slave)
            # A group of its own: one that has no parent outside it, as a test's may be, is not stopped.
            process = self.start('-monitor', 'stdio', stdin=slave, stdout=slave, stderr=slave, process_group=0)
            seen = b''
            while b'(qemu) ' not in seen:
                self.assertTrue(select.select([master], [], [], WAIT)[0])
                seen += os.read(master, 4096)
            self.assertFalse(termios.tcgetattr(slave)[3] & termios.ICANON)
            if ending == 'suspend':
                process.send_signal(signal.SIGTSTP)
                os.waitpid(process.pid, os.WUNTRACED)
                self.assertEqual(termios.tcgetattr(slave)[3], before[3])
                process.send_signal(signal.SIGCONT)
                for _ in range(WAIT * 100):
                    if not termios.tcgetattr(slave)[3] & termios.ICANON:
                        break
                    time.sleep(0.01)
                self.assertFalse(termios.tcgetattr(slave)[3] & termios.ICANON)
            if ending == 'terminate':
                process.terminate()
            else:
                os.write(master, b'quit\r')
            process.wait(WAIT)
            self.assertEqual(termios.tcgetattr(slave), before, ending)
            self.assertFalse(fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK)
            os.close(master)
            os.close(slave)


if __name__ == '__main__':
    unittest.main()
