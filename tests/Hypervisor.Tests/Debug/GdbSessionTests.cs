using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using FsCheck.Fluent;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Debug;
using Hypervisor.Tests.Modes;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Debug;

/// <summary>The remote protocol byte by byte, and with bytes no client would send.</summary>
public sealed class GdbSessionTests
{
    [Fact]
    public void Packet_WithItsChecksum_IsAcknowledgedAndAnswered()
    {
        using var session = new Session();
        Assert.Equal("+$T05thread:1;#" + Sum("T05thread:1;"), session.Exchange("$?#3f", 1));
    }

    [Fact]
    public void Packet_WithAWrongChecksum_IsRefused()
    {
        using var session = new Session();
        Assert.StartsWith("-+$T05", session.Exchange("$?#00$?#3f", 1), StringComparison.Ordinal);
    }

    [Fact]
    public void Packet_AskedForAgain_IsSentAgain()
    {
        using var session = new Session();
        string answer = session.Exchange("$qC#b4", 1);
        Assert.Equal("+$QC1#c5", answer);
        Assert.Equal("$QC1#c5", session.Exchange("-", 1));
    }

    [Fact]
    public void Registers_Written_AreRead()
    {
        using var session = new Session();
        Assert.Equal("OK", session.Ask("P5=efbeadde00000000"));
        Assert.Equal("efbeadde00000000", session.Ask("p5"));
        Assert.Equal("OK", session.Ask("P0=efbeadde00000000"));
        Assert.Equal("0000000000000000", session.Ask("p0"));
        Assert.Equal(65 * 16, session.Ask("g").Length);
        Assert.Equal("E16", session.Ask("p1042"));
        Assert.Equal("0300000000000000", session.Ask("p1041"));
    }

    [Fact]
    public void Memory_Written_IsReadAndOutsideRamIsRefused()
    {
        using var session = new Session();
        Assert.Equal("OK", session.Ask("M80000100,3:010203"));
        Assert.Equal("010203", session.Ask("m80000100,3"));
        Assert.Equal("OK", session.Ask("X80000100,2:}\u0003z"));
        Assert.Equal("237a03", session.Ask("m80000100,3"));
        Assert.Equal("E0e", session.Ask("m0,8"));
        Assert.Equal("E0e", session.Ask("M0,1:00"));
        Assert.Equal("E16", session.Ask("M80000100,3:0102"));
        Assert.Equal("E16", session.Ask("m80000100"));
    }

    [Fact]
    public void Description_ReadInParts_IsOneDocument()
    {
        using var session = new Session();
        var document = new StringBuilder();
        while (true)
        {
            string part = session.Ask($"qXfer:features:read:target.xml:{document.Length:x},ffb");
            document.Append(part[1..]);
            if (part[0] == 'l')
                break;
            Assert.Equal('m', part[0]);
        }

        System.Xml.Linq.XDocument xml = System.Xml.Linq.XDocument.Parse(document.ToString().Replace("<!DOCTYPE target SYSTEM \"gdb-target.dtd\">", "", StringComparison.Ordinal));
        Assert.Equal(4, xml.Root!.Elements("feature").Count());
    }

    [Fact]
    public void AnyBytes_Sent_NeitherEndTheSessionNorHarmTheMachine()
    {
        string[] starts = ["g", "G", "p", "P", "m", "M", "X", "H", "T", "Z", "z", "vCont;t", "q", "qXfer:features:read:target.xml:", "qRcmd,", "qThreadExtraInfo,", "QStart", "!", ""];
        Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            using var session = new Session();
            for (int i = 0; i < 20; i++)
            {
                const string alphabet = "0123456789abcdef,;:=-+.*}$ ZXq\u00ff";
                string noise = new([.. Enumerable.Range(0, random.Next(24)).Select(_ => alphabet[random.Next(alphabet.Length)])]);
                string body = (starts[random.Next(starts.Length)] + noise).Replace("$", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal);

                // These let the machine run or go, and are answered when it stops again.
                if (body.Length > 0 && !"csCSDkv".Contains(body[0], StringComparison.Ordinal))
                    session.Ask(body);
            }

            session.Send(new string('$', random.Next(3)) + new string('x', random.Next(40_000)));
            return session.Ask("qC") is "QC1" or "";
        }, cases: 40);
    }

    private static string Sum(string data) => ((byte)data.Sum(each => each)).ToString("x2", CultureInfo.InvariantCulture);

    /// <summary>A session over pipes with a machine of one hart that is not running.</summary>
    private sealed class Session : IDisposable
    {
        private readonly BoardGuest _guest;
        private readonly Pipe _toStub = new();
        private readonly Pipe _toClient = new();
        private readonly Thread _thread;
        private readonly Stream _in;

        public Session()
        {
            _guest = MachineFactory.Create("full", new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), RamBytes = 1 << 20 }, new EventLoop());
            _guest.Boot(new BootImages { Kernel = Assembler.Assemble("_start: j _start\n", new AssemblerOptions { Name = "loop", TextBase = Board.RamAddress }).ToImage() });
            var session = new GdbSession(DebugTarget.Of(_guest), new MachineDebugger(_guest.Machine), new Duplex(_toStub.Reader.AsStream(), _toClient.Writer.AsStream()));
            _in = _toClient.Reader.AsStream();
            _thread = new Thread(session.Serve) { IsBackground = true };
            _thread.Start();
        }

        public void Send(string bytes) => _toStub.Writer.AsStream().Write(Encoding.Latin1.GetBytes(bytes));

        /// <summary>Sends bytes and reads until so many packets have come.</summary>
        public string Exchange(string bytes, int packets)
        {
            Send(bytes);
            var answer = new StringBuilder();
            while (packets > 0)
            {
                int next = _in.ReadByte();
                Assert.True(next >= 0, $"the session ended after '{answer}'");
                answer.Append((char)next);
                if (next != '#')
                    continue;
                answer.Append((char)_in.ReadByte()).Append((char)_in.ReadByte());
                packets--;
            }

            return answer.ToString();
        }

        /// <summary>Sends a packet; the data of its answer.</summary>
        public string Ask(string data)
        {
            string answer = Exchange($"${data}#{Sum(data)}", 1);
            int start = answer.IndexOf('$', StringComparison.Ordinal);
            return answer[(start + 1)..^3];
        }

        public void Dispose()
        {
            _toStub.Writer.Complete();
            Assert.True(_thread.Join(TimeSpan.FromSeconds(10)), "the session goes on after its client went");
            _guest.Dispose();
        }
    }

    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);
    }
}
