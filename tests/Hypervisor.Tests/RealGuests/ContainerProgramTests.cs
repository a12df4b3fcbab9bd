using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Debian's own dynamic riscv64 programs, unmodified, as containers.</summary>
public sealed class ContainerProgramTests
{
    public static TheoryData<string, string, string> Programs => new()
    {
        { "bash", "for i in {1..3}; do echo $((i*i)); done | sort -rn | tr '\\n' ' '; set -- a b; echo $# ${BASH_VERSINFO[0]}", "9 4 1 2 5\n" },
        { "coreutils", "seq 1000 | sha256sum | cut -c1-16; ls / | grep -c usr; stat -c %F /etc/passwd; printf 'b\\na\\n' | sort | paste -sd+", "67d4ff71d43921d5\n1\nregular file\na+b\n" },
        { "text", "grep -c : /etc/passwd | sed 's/[0-9]*/some/'; awk -F: '$1==\"root\" { print $3 + 1 }' /etc/passwd; find /etc -maxdepth 1 -name 'pass*' | wc -l", "some\n1\n1\n" },
        { "compressors", "cp /usr/bin/bash /tmp/x; for c in gzip bzip2 xz zstd; do $c -q -c /tmp/x | $c -q -d -c | cmp - /tmp/x && echo $c; done; tar cf - /etc 2>/dev/null | tar tf - | grep -c etc/passwd$", "gzip\nbzip2\nxz\nzstd\n1\n" },
        { "perl", "perl -e 'my %h = map { $_ => $_ ** 2 } 1..4; print join(\",\", map { \"$_=$h{$_}\" } sort keys %h), \"\\n\"; print `echo child`; printf \"%.3f\\n\", atan2(1,1)*4;'", "1=1,2=4,3=9,4=16\nchild\n3.142\n" },
        { "sqlite", "sqlite3 /tmp/d.db 'create table t(a integer primary key, b text); insert into t(b) values(\"x\"),(\"y\");'; sqlite3 /tmp/d.db 'select count(*), max(a), group_concat(b) from t; pragma integrity_check;'", "2|2|x,y\nok\n" },
        { "jq", "echo '{\"a\":[1,2,3]}' | jq -c '[.a[] | . * 2]'; echo '4*a(1)' | bc -l", "[2,4,6]\n3.14159265358979323844\n" },
        { "openssl", "echo -n abc | openssl dgst -sha256 | sed 's/.*= //'; openssl rand -hex 8 | wc -c", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n17\n" },
    };

    /// <summary>Building, packages, terminals, and what looks at the system.</summary>
    public static TheoryData<string, string, string> Tools => new()
    {
        { "gcc", "cd /tmp; printf '#include <stdio.h>\\nint main(void){puts(\"built\");return 3;}\\n' > a.c; gcc -O2 -o a a.c; ./a; echo $?; printf 'b: a.c\\n\\tgcc -o b a.c\\n' > Makefile; make -s; ./b; true", "built\n3\nbuilt\n" },
        { "musl", "cd /tmp; printf '#include <stdio.h>\\nint main(void){puts(\"musl\");return 0;}\\n' > a.c; musl-gcc -static -o s a.c; ./s; musl-gcc -o d a.c; ./d; grep -cm1 musl d; true", "musl\nmusl\n1\n" },
        { "dpkg", "cd /tmp; mkdir -p p/DEBIAN p/usr/share/x; echo data > p/usr/share/x/f; printf 'Package: mine\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: test\\n' > p/DEBIAN/control; printf '#!/bin/sh\\necho $1\\n' > p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst; dpkg-deb --root-owner-group -b p m.deb > log; dpkg -i m.deb 2>&1 | tail -1; dpkg -l mine | grep -c ^ii; cat /usr/share/x/f; dpkg -r mine >> log 2>&1; ls /usr/share/x 2>&1 | grep -c cannot", "configure\n1\ndata\n1\n" },
        { "apt", "cd /tmp; mkdir -p p/DEBIAN p/usr/share/x; echo data > p/usr/share/x/f; printf 'Package: mine\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: test\\n' > p/DEBIAN/control; dpkg-deb --root-owner-group -b p mine.deb > log; DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root install -y /tmp/mine.deb > log 2>&1; cat /usr/share/x/f; dpkg -l mine | grep -c ^ii", "data\n1\n" },
        { "script", "script -qc 'tty; stty size; echo on a terminal' /dev/null < /dev/null | tr -d '\\r' | sed s,pts/.*,pts,", "/dev/pts\n0 0\non a terminal\n" },
        { "namespaces", "unshare -Urpf --mount-proc sh -c 'id -u; echo $$; echo /proc/[0-9]*; mount -t tmpfs none /tmp && touch /tmp/x && ls /tmp; hostname'; unshare -m sh -c 'mount -t tmpfs base /tmp; mkdir /tmp/new; mount --bind / /tmp/new; cd /tmp/new; pivot_root . tmp; cd /; umount -l /tmp; ls -d /usr'; unshare -u sh -c 'hostname inside; hostname'; ipcmk -M 100000 > /dev/null; ipcs -m | grep -c 100000; unshare -i ipcs -m | grep -c 100000; lsns -t uts -o NPROCS -n | wc -l", "0\n1\n/proc/1\nx\ncontainer\n/usr\ninside\n1\n0\n1\n" },
        { "system", "sleep 50 & ps -o comm= -p $!; pgrep -cx sleep; top -b -n1 | grep -cw sleep; nproc; df / | tail -1 | tr -s ' ' | cut -d' ' -f1,6; free | grep -c Mem; uptime | grep -c load; kill $!; wait $!; echo $?", "sleep\n1\n1\n1\noverlay /\n1\n1\n143\n" },
    };

    public static TheoryData<string, string, string> Python => new()
    {
        { "threads", "import threading; n=[0]; l=threading.Lock()\ndef f():\n  for _ in range(1000):\n    with l: n[0]+=1\nt=[threading.Thread(target=f) for _ in range(8)]; [x.start() for x in t]; [x.join() for x in t]; print(n[0])", "8000\n" },
        { "processes", "import subprocess,os,signal; print(subprocess.run(['sh','-c','cat; exit 3'],input=b'in',capture_output=True)); p=subprocess.Popen(['sleep','60']); p.send_signal(signal.SIGTERM); print(p.wait())", "CompletedProcess(args=['sh', '-c', 'cat; exit 3'], returncode=3, stdout=b'in', stderr=b'')\n-15\n" },
        { "files", "import tempfile,os,json,shutil; d=tempfile.mkdtemp(); p=os.path.join(d,'f'); json.dump({'k':[1,2]},open(p,'w')); os.rename(p,p+'2'); print(json.load(open(p+'2')), os.stat(p+'2').st_size, sorted(os.listdir(d))); shutil.rmtree(d); print(os.path.exists(d))", "{'k': [1, 2]} 13 ['f2']\nFalse\n" },
        { "sockets", "import socket,threading,os\ns=socket.create_server(('127.0.0.1',0)); data=os.urandom(300000)\ndef serve():\n  c,_=s.accept()\n  while (d:=c.recv(65536)): c.sendall(d)\n  c.close()\nthreading.Thread(target=serve).start(); c=socket.create_connection(s.getsockname())\ndef send(): c.sendall(data); c.shutdown(socket.SHUT_WR)\nthreading.Thread(target=send).start(); r=b''\nwhile (d:=c.recv(65536)): r+=d\nprint(r==data)", "True\n" },
        { "multiprocessing", "import multiprocessing as m\nc=m.get_context('fork'); v=c.Value('i',0)\ndef f():\n  for _ in range(500):\n    with v.get_lock(): v.value+=1\np=[c.Process(target=f) for _ in range(4)]; [x.start() for x in p]; [x.join() for x in p]\nwith c.Pool(3) as q: print(v.value, q.map(abs,range(-3,3)))", "2000 [3, 2, 1, 0, 1, 2]\n" },
        { "asyncio", "import asyncio\nasync def handle(r,w):\n  w.write((await r.readline()).upper()); await w.drain(); w.close()\nasync def main():\n  s=await asyncio.start_server(handle,'127.0.0.1',0); p=s.sockets[0].getsockname()[1]\n  async def one(i):\n    r,w=await asyncio.open_connection('127.0.0.1',p); w.write(f'hi {i}\\n'.encode()); return (await r.readline()).decode().strip()\n  print(len(set(await asyncio.gather(*[one(i) for i in range(50)]))))\nasyncio.run(main())", "50\n" },
    };

    [RealGuestTheory("programs")]
    [MemberData(nameof(Programs))]
    public void Program_OfDebian_PrintsWhatItShould(string what, string script, string expected)
        => Assert.Equal(expected, Run(what, "bash", "-c", script));

    [RealGuestTheory("programs")]
    [MemberData(nameof(Tools))]
    public void Tool_OfDebian_PrintsWhatItShould(string what, string script, string expected)
        => Assert.Equal(expected, Run(what, "bash", "-c", script));

    [RealGuestTheory("programs")]
    [MemberData(nameof(Python))]
    public void Python_OfDebian_PrintsWhatItShould(string what, string script, string expected)
        => Assert.Equal(expected, Run(what, "python3", "-c", script));

    [RealGuestTheory("programs")]
    [InlineData("set,get,incr,lpush")]
    public void Redis_ServesItsBenchmark(string tests)
    {
        string output = Run("redis", "bash", "-c", $"""
            redis-server --port 6379 --save "" --daemonize no > /tmp/redis.log 2>&1 &
            until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.1; done
            redis-cli set key value; redis-cli get key; redis-cli incr n; redis-cli -x set large < /usr/bin/bash; redis-cli strlen large
            redis-benchmark -q -n 500 -c 20 -t {tests} | tr '\r' '\n' | grep -c 'requests per second'
            redis-cli shutdown nosave; wait; echo ended $?
            """);
        Assert.StartsWith("OK\nvalue\n1\nOK\n", output);
        Assert.EndsWith("\n4\nended 0\n", output);
    }

    [RealGuestTheory("programs")]
    [InlineData("shell")]
    public void Bash_OnATerminal_ControlsItsJobs(string what)
    {
        string output = Run(what, "python3", "-c", """
            import pty,os,time,select,sys
            pid,fd=pty.fork()
            if pid==0: os.execvp("bash",["bash","--norc","-i"])
            buf=b""
            def until(text):
                global buf
                while text not in buf:
                    if not select.select([fd],[],[],20)[0]: sys.exit(f"no {text} in {buf}")
                    buf+=os.read(fd,1000)
                at=buf.index(text)+len(text); out=buf[:at]; buf=buf[at:]; return out
            os.write(fd,b"PS1='> '\n"); until(b"\n> ")
            os.write(fd,b"sleep 100\n"); time.sleep(.5); os.write(fd,b"\x1a"); until(b"Stopped"); until(b"> ")
            os.write(fd,b"bg; jobs\n"); until(b"Running"); until(b"> ")
            os.write(fd,b"fg\n"); time.sleep(.5); os.write(fd,b"\x03"); until(b"^C"); until(b"> ")
            os.write(fd,b"echo status $?\n"); until(b"status 130"); until(b"> ")
            os.write(fd,b"exit 3\n"); print(os.waitpid(pid,0)[1]>>8)
            """);
        Assert.Equal("3\n", output);
    }

    [RealGuestTheory("programs")]
    [InlineData("nginx")]
    public void Nginx_WithTwoWorkers_ServesFilesToCurl(string server)
    {
        string output = Run(server, "bash", "-c", """
            mkdir -p /tmp/www; echo served > /tmp/www/index.html; cp /usr/bin/bash /tmp/www/large
            printf 'worker_processes 2; events { worker_connections 64; } pid /tmp/nginx.pid; error_log /tmp/error.log;
            http { access_log off; sendfile on; server { listen 127.0.0.1:8080; root /tmp/www; } }' > /tmp/n.conf
            nginx -c /tmp/n.conf
            until curl -sf http://127.0.0.1:8080/; do sleep 0.1; done
            for i in 1 2 3 4 5 6 7 8; do curl -s http://localhost:8080/large | cmp - /usr/bin/bash && echo whole & done | sort | uniq -c | tr -s ' '
            nginx -c /tmp/n.conf -s quit 2>/dev/null; while [ -e /tmp/nginx.pid ]; do sleep 0.1; done; echo ended
            """);
        Assert.Equal("served\n 8 whole\nended\n", output);
    }

    [RealGuestTheory("programs")]
    [InlineData("lighttpd")]
    public void WebServer_ServesFilesToCurl(string server)
    {
        string output = Run(server, "bash", "-c", """
            mkdir -p /tmp/www; echo served > /tmp/www/index.html; cp /usr/bin/bash /tmp/www/large
            printf 'server.document-root="/tmp/www"\nserver.port=8080\nserver.bind="127.0.0.1"\nindex-file.names=("index.html")\n' > /tmp/server.conf
            lighttpd -D -f /tmp/server.conf 2>/dev/null &
            until curl -sf http://127.0.0.1:8080/; do sleep 0.1; done
            for i in 1 2 3 4 5 6 7 8; do curl -s http://localhost:8080/large | cmp - /usr/bin/bash && echo whole & done | sort | uniq -c | tr -s ' '
            curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/nothing
            kill -INT %1; wait %1; echo ended $?
            """); // SIGINT: the server sees its clients' ends first. By SIGTERM it ends with 1 where the last curl's is still unread.
        Assert.Equal("served\n 8 whole\n404\nended 0\n", output);
    }

    [RealGuestTheory("programs")]
    [InlineData("set,get,incr")]
    public void Redis_ServesItsBenchmarkFromAnotherContainer(string tests)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["guests.yaml"], $"""
            networks: (( lan: ))
            defaults: (( rootfs: "{RealGuest.File("programs")}", networks: lan ))
            machines:
              server: (( program: redis-server, arguments: [--bind, 0.0.0.0, --protected-mode, "no", --save, ""] ))
              client:
                program: bash
                arguments:
                  - -c
                  - |
                    until redis-cli -h server ping 2>/dev/null | grep -q PONG; do sleep 0.1; done
                    redis-benchmark -h server -q -n 500 -c 20 -t {tests} | tr '\r' '\n' | grep -c 'requests per second'
                    redis-cli -h server -x set large < /usr/bin/bash
                    redis-cli -h server --raw get large | head -c -1 | cmp - /usr/bin/bash && echo whole
                    redis-cli -h server shutdown nosave; echo ended
            """.Replace("((", "{", StringComparison.Ordinal).Replace("))", "}", StringComparison.Ordinal));
        using var hv = new HvProcess("run", folder["guests.yaml"], "--timeout", "100");
        int code = hv.WaitForExit(110);
        Assert.True(code == 0, $"ended with {code}: {hv.Output}{hv.Errors}");
        Assert.Equal(["client | 3", "client | OK", "client | whole", "client | ended"], hv.Output.Split('\n').Where(line => line.StartsWith("client", StringComparison.Ordinal)).Select(line => line.TrimEnd()).Where(line => line.Length > 8));
    }

    [RealGuestTheory("programs")]
    [InlineData(5)]
    public void Sqlite_KilledWithItsHost_KeepsWhatItCommitted(int commits)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["data"]);
        string[] place = ["run", "--rootfs", RealGuest.File("programs")!, "--volume", $"{folder["data"]}:/data", "--timeout", "100"];
        int last;
        using (var hv = new HvProcess([.. place, "bash", "-c", """
            sqlite3 /data/d.db 'create table t(a integer primary key, b blob)'
            for ((i = 1;; i++)); do sqlite3 /data/d.db "insert into t values($i, randomblob(20000))" && echo "done $i."; done
            """]))
        {
            hv.WaitFor($"done {commits}.", 100);
            hv.Kill();
            last = hv.Output.Split('\n').Count(line => line.StartsWith("done ", StringComparison.Ordinal) && line.EndsWith('.'));
        }

        using var after = new HvProcess([.. place, "sqlite3", "/data/d.db", "pragma integrity_check; select count(*), max(a), min(length(b)) from t;"]);
        Assert.Equal(0, after.WaitForExit(110));
        string[] lines = after.Output.Split('\n');
        Assert.Equal("ok", lines[0]);
        string[] found = lines[1].Split('|');
        Assert.Equal(found[0], found[1]);
        Assert.InRange(int.Parse(found[0], System.Globalization.CultureInfo.InvariantCulture), last, last + 1);
        Assert.Equal("20000", found[2]);
    }

    [RealGuestTheory("programs")]
    [InlineData("python3")]
    public void Stats_OfAProgram_NameTheCallsThatAreNotServed(string program)
    {
        using var hv = new HvProcess("run", "--rootfs", RealGuest.File("programs")!, "--timeout", "100", "--stats", program, "-c",
            "import ctypes\nfor _ in range(3): ctypes.CDLL(None).syscall(425, 1, 0)");
        Assert.Equal(0, hv.WaitForExit(110));
        Assert.Contains("3 calls of io_uring_setup, which is not served", hv.Errors, StringComparison.Ordinal);
    }

    private static string Run(string what, params string[] command)
    {
        using var hv = new HvProcess(["run", "--rootfs", RealGuest.File("programs")!, "--timeout", "100", .. command]);
        int code = hv.WaitForExit(110);
        Assert.True(code == 0, $"{what} ended with {code}: {hv.Output}{hv.Errors}");
        return hv.Output;
    }
}
