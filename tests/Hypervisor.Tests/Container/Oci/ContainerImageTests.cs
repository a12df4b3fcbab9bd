using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Hypervisor.Core;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Oci;

/// <summary>Images in the OCI layout: layers over each other, and nothing in them leads out of their directory.</summary>
public sealed class ContainerImageTests
{
    [LinuxFact]
    public void Image_OfLayers_ShowsWhatTheUpperOnesLeave()
    {
        using var folder = new TemporaryFolder();
        byte[] lower = Layer(tar =>
        {
            Folder(tar, "etc/");
            File(tar, "etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n");
            File(tar, "etc/gone", "gone");
            File(tar, "etc/changed", "old");
            Folder(tar, "whole");
            File(tar, "whole/old", "old");
            File(tar, "./bin/tool", "tool", 0x9ED, uid: 5, gid: 6);
            Link(tar, TarEntryType.SymbolicLink, "lib", "usr/lib");
            Link(tar, TarEntryType.HardLink, "bin/same", "bin/tool");
            File(tar, "closed", "closed", 0);
        });
        byte[] upper = Layer(tar =>
        {
            File(tar, "etc/.wh.gone", "");
            File(tar, "etc/changed", "new");
            Folder(tar, "whole");
            File(tar, "whole/.wh..wh..opq", "");
            File(tar, "whole/new", "new");
            File(tar, ".wh.lib", "");
            Folder(tar, "lib");
            File(tar, "lib/x", "x");
        });
        Write(folder, [(lower, true), (upper, false)], "one");
        ContainerImage image = ContainerImage.Open(folder["layout"], "one", folder["cache"]);
        Assert.Equal(["run"], image.EntryPoint);
        Assert.Equal((33u, 34u), (image.User.Uid, image.User.Gid));

        var root = new MemoryDirectory(new FileStore(() => 0, 1 << 20), 0x1ED, image.Root);
        Assert.Equal(["bin", "closed", "etc", "lib", "whole"], Names(root));
        Inode etc = root.Lookup("etc")!;
        Assert.Equal(["changed", "passwd"], Names(etc));
        Assert.Null(etc.Lookup("gone"));
        Assert.Null(etc.Lookup(".wh.gone"));
        Assert.Equal("new", Read(etc.Lookup("changed")!));
        Assert.Equal(["new"], Names(root.Lookup("whole")!));
        Assert.Equal(["x"], Names(root.Lookup("lib")!));
        Inode tool = root.Lookup("bin")!.Lookup("tool")!;
        Assert.Equal((0x9EDu, 5u, 6u), (tool.Mode & InodeMode.Permissions, tool.Uid, tool.Gid));
        Assert.Equal("tool", Read(root.Lookup("bin")!.Lookup("same")!));
        Assert.Equal(0u, root.Lookup("closed")!.Mode & InodeMode.Permissions);
        Assert.Equal("closed", Read(root.Lookup("closed")!));

        // Changes stay in memory; a second container of the image sees it whole.
        Assert.Equal(3, etc.Lookup("changed")!.WriteAt("!!!"u8, 0));
        Assert.Equal(0, etc.Remove("passwd"));
        var second = new MemoryDirectory(new FileStore(() => 0, 1 << 20), 0x1ED, ContainerImage.Open(folder["layout"], null, folder["cache"]).Root);
        Assert.Equal("new", Read(second.Lookup("etc")!.Lookup("changed")!));
        Assert.NotNull(second.Lookup("etc")!.Lookup("passwd"));
    }

    public static TheoryData<string, string, string> Escapes => new()
    {
        { "../out", "", "leads out" },
        { "a/../../out", "", "leads out" },
        { "link/out", "", "no directory in it" },
        { "hard", "../secret", "leads out" },
        { "hard", "link/secret", "no directory in it" },
        { "hard", "link", "" },
    };

    [LinuxTheory]
    [MemberData(nameof(Escapes))]
    public void Layer_ThatLeadsOut_IsRefusedAndWritesNothing(string name, string linkTo, string complaint)
    {
        using var folder = new TemporaryFolder();
        folder.Write("secret", "outside"u8);
        byte[] layer = Layer(tar =>
        {
            Link(tar, TarEntryType.SymbolicLink, "link", folder.Root);
            if (linkTo.Length == 0)
                File(tar, name, "written");
            else
                Link(tar, TarEntryType.HardLink, name, linkTo);
        });
        Write(folder, [(layer, true)], "bad");
        if (complaint.Length > 0)
        {
            var problem = Assert.Throws<HypervisorException>(() => ContainerImage.Open(folder["layout"], null, folder["cache"]));
            Assert.Contains(complaint, problem.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetDirectories(folder["cache"]));
        }
        else
        {
            // A second name of a link is a link: text, as the first.
            ContainerImage.Open(folder["layout"], null, folder["cache"]);
        }

        Assert.False(System.IO.File.Exists(folder["out"]));
        Assert.Equal("outside", System.IO.File.ReadAllText(folder["secret"]));
    }

    [Fact]
    public void Image_ThatIsDamagedOrOfAnotherKind_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("no OCI image layout", Assert.Throws<HypervisorException>(() => ContainerImage.Open(folder.Root, null, folder["cache"])).Message, StringComparison.Ordinal);
        byte[] layer = Layer(tar => File(tar, "f", "content"));
        Write(folder, [(layer, true)], "one", architecture: "amd64");
        Assert.Contains("linux/amd64", Refusal(), StringComparison.Ordinal);
        Write(folder, [(layer, true)], "one");
        Assert.Contains("no image 'two'", Assert.Throws<HypervisorException>(() => ContainerImage.Open(folder["layout"], "two", folder["cache"])).Message, StringComparison.Ordinal);

        // One bit of any piece.
        foreach (string blob in Directory.GetFiles(folder["layout/blobs/sha256"]))
        {
            byte[] good = System.IO.File.ReadAllBytes(blob);
            byte[] bad = [.. good];
            bad[bad.Length / 2] ^= 4;
            System.IO.File.WriteAllBytes(blob, bad);
            Assert.Contains("damaged", Refusal(), StringComparison.Ordinal);
            System.IO.File.WriteAllBytes(blob, good);
        }

        // A piece whose name would lead elsewhere.
        string index = folder["layout/index.json"];
        string text = System.IO.File.ReadAllText(index);
        System.IO.File.WriteAllText(index, System.Text.RegularExpressions.Regex.Replace(text, "sha256:[0-9a-f]{64}", "sha256:../../../../secret"));
        Assert.Contains("is no digest", Refusal(), StringComparison.Ordinal);
        System.IO.File.WriteAllText(index, "[]");
        Assert.Contains("no JSON object", Refusal(), StringComparison.Ordinal);

        string Refusal() => Assert.Throws<HypervisorException>(() => ContainerImage.Open(folder["layout"], null, folder["cache"])).Message;
    }

    [PeerFact("zstd")]
    public void Layers_PackedByZstandard_AreUnpackedAndChecked()
    {
        using var folder = new TemporaryFolder();
        string large = string.Concat(Enumerable.Range(0, 100_000).Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        byte[] layer = Layer(tar =>
        {
            File(tar, "small", "small");
            File(tar, "large", large);
        });
        Write(folder, [(layer, true)], "one", zstd: true);
        var root = new MemoryDirectory(new FileStore(() => 0, 1 << 20), 0x1ED, ContainerImage.Open(folder["layout"], "one", folder["cache"]).Root);
        Assert.Equal("small", Read(root.Lookup("small")!));
        Assert.Equal(large.Length, root.Lookup("large")!.Size);
        Assert.Equal(large[..100], Read(root.Lookup("large")!));

        // What is no Zstandard, and what ends before its time.
        string blob = Directory.GetFiles(folder["layout/blobs/sha256"]).MaxBy(name => new FileInfo(name).Length)!;
        foreach (byte[] bad in new[] { Encoding.UTF8.GetBytes("nothing"), System.IO.File.ReadAllBytes(blob)[..^100] })
        {
            System.IO.File.WriteAllBytes(blob, bad);
            Assert.Contains("is damaged", Assert.Throws<HypervisorException>(() => ContainerImage.Open(folder["layout"], "one", folder["other"])).Message, StringComparison.Ordinal);
        }
    }

    [PeerFact("apt-get", "dpkg-deb", "tar")]
    public void Run_OfAnImage_StartsItsCommand()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var bundle = new Tests.Oci.OciBundle();
        Peer.Run("tar", "-C", bundle["rootfs"], "-cf", bundle["root.tar"], "bin");
        using var folder = new TemporaryFolder();
        Write(folder, [(System.IO.File.ReadAllBytes(bundle["root.tar"]), true)], "box", run: """{ "Cmd": ["sh", "-c", "echo $KIND $(pwd)"], "Env": ["KIND=image", "PATH=/bin"], "WorkingDir": "/bin" }""");
        string hv = Path.Combine(AppContext.BaseDirectory, "hv.dll");
        Assert.Equal("image /bin\n", Peer.Run("env", "XDG_CACHE_HOME=" + folder["cache"], "dotnet", hv, "run", "--image", folder["layout"]));
        System.IO.File.WriteAllText(folder["shown"], "shown\n");
        Assert.Equal("shown\nread-only\n", Peer.Run("env", "XDG_CACHE_HOME=" + folder["cache"], "dotnet", hv, "run", "--image", folder["layout"] + ":box", "--volume", folder["shown"] + ":/mnt/f:ro",
            "sh", "-c", "cat /mnt/f; echo x 2>/dev/null > /mnt/f || echo read-only; rm /bin/ls"));
    }

    private static void Write(TemporaryFolder folder, (byte[] Tar, bool Packed)[] layers, string tag, string architecture = "riscv64", string? run = null, bool zstd = false)
    {
        if (Directory.Exists(folder["layout"]))
            Directory.Delete(folder["layout"], recursive: true);
        Directory.CreateDirectory(folder["layout/blobs/sha256"]);
        System.IO.File.WriteAllText(folder["layout/oci-layout"], """{ "imageLayoutVersion": "1.0.0" }""");
        var descriptors = new JsonArray();
        var ids = new JsonArray();
        foreach ((byte[] tar, bool packed) in layers)
        {
            ids.Add("sha256:" + Convert.ToHexStringLower(SHA256.HashData(tar)));
            descriptors.Add(Blob(!packed ? tar : zstd ? PackByZstandard(folder, tar) : Pack(tar), "application/vnd.oci.image.layer.v1.tar" + (!packed ? "" : zstd ? "+zstd" : "+gzip")));
        }

        var description = new JsonObject
        {
            ["os"] = "linux",
            ["architecture"] = architecture,
            ["config"] = JsonNode.Parse(run ?? (layers.Length > 1 ? """{ "Entrypoint": ["run"], "User": "web" }""" : "{}")),
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = ids },
        };
        JsonObject configuration = Blob(Encoding.UTF8.GetBytes(description.ToJsonString()), "application/vnd.oci.image.config.v1+json");
        JsonObject manifest = Blob(Encoding.UTF8.GetBytes(new JsonObject { ["schemaVersion"] = 2, ["config"] = configuration, ["layers"] = descriptors }.ToJsonString()), "application/vnd.oci.image.manifest.v1+json");
        manifest["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = tag };
        System.IO.File.WriteAllText(folder["layout/index.json"], new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(manifest) }.ToJsonString());

        JsonObject Blob(byte[] bytes, string type)
        {
            string hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
            System.IO.File.WriteAllBytes(folder[$"layout/blobs/sha256/{hash}"], bytes);
            return new JsonObject { ["mediaType"] = type, ["digest"] = "sha256:" + hash, ["size"] = bytes.Length };
        }
    }

    private static byte[] PackByZstandard(TemporaryFolder folder, byte[] bytes)
    {
        Peer.Run("zstd", "-q", "-f", folder.Write("packed", bytes), "-o", folder["packed.zst"]);
        return System.IO.File.ReadAllBytes(folder["packed.zst"]);
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Layer(Action<TarWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var tar = new TarWriter(bytes, TarEntryFormat.Pax, leaveOpen: true))
            write(tar);
        return bytes.ToArray();
    }

    private static void Folder(TarWriter tar, string name) => tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, name) { Mode = (UnixFileMode)0x1ED });

    private static void File(TarWriter tar, string name, string content, int mode = 0x1A4, int uid = 0, int gid = 0) => tar.WriteEntry(
        new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)), Mode = (UnixFileMode)mode, Uid = uid, Gid = gid });

    private static void Link(TarWriter tar, TarEntryType type, string name, string target) => tar.WriteEntry(new PaxTarEntry(type, name) { LinkName = target });

    private static IEnumerable<string> Names(Inode directory) => directory.Entries().Select(entry => entry.Name);

    private static string Read(Inode inode)
    {
        var buffer = new byte[100];
        return Encoding.UTF8.GetString(buffer, 0, Math.Max(0, inode.ReadAt(buffer, 0)));
    }
}
