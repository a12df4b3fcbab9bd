using System.Globalization;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Guests.Container;

/// <summary>An image to run containers from: read-only layers, shared by all of them, and what it says of how to run it.</summary>
public sealed class ContainerImage
{
    private readonly ImageManifest _manifest;

    private ContainerImage(ImageManifest manifest, HostDirectory root)
    {
        _manifest = manifest;
        Root = root;
        User = UserOf(manifest.User, root);
    }

    /// <summary>The environment it sets, as NAME=value.</summary>
    public IReadOnlyList<string> Environment => _manifest.Environment;

    /// <summary>The program that is always run, with arguments of its own; empty where the command is the program.</summary>
    public IReadOnlyList<string> EntryPoint => _manifest.EntryPoint;

    /// <summary>The arguments where the user gives none, or the program where there is no entry point.</summary>
    public IReadOnlyList<string> Command => _manifest.Command;

    /// <summary>The directory its program starts in.</summary>
    public string WorkingDirectory => _manifest.WorkingDirectory;

    /// <summary>Who its program is.</summary>
    public ContainerUser User { get; }

    internal HostDirectory Root { get; }

    /// <summary>Opens an image of a directory in the OCI image layout; its layers are unpacked once and kept.</summary>
    /// <param name="layout">The directory.</param>
    /// <param name="tag">Which of its images; null for its only one.</param>
    /// <param name="cache">Where unpacked layers are kept; made where it is missing.</param>
    /// <exception cref="HypervisorException">There is no such image for riscv64, it is damaged, or it leads out of its directory.</exception>
    public static ContainerImage Open(string layout, string? tag, string cache)
    {
        var images = new ImageLayout(layout);
        ImageManifest manifest = images.Find(tag);
        Directory.CreateDirectory(cache);
        return new ContainerImage(manifest, new LayerStore(cache).Open(images, manifest));
    }

    /// <summary>A user by number or name, and a group; names are looked up in the image's own files.</summary>
    private static ContainerUser UserOf(string text, HostDirectory root)
    {
        if (text.Length == 0)
            return ContainerUser.Root;
        string[] parts = text.Split(':', 2);
        string[]? entry = Find(root, "passwd", parts[0]);
        uint? uid = Number(parts[0]) ?? Number(entry?.ElementAtOrDefault(2));
        uint? gid = parts.Length < 2 ? Number(entry?.ElementAtOrDefault(3)) ?? 0 : Number(parts[1]) ?? Number(Find(root, "group", parts[1])?.ElementAtOrDefault(2));
        return new ContainerUser
        {
            Uid = uid ?? throw new HypervisorException($"The image runs as '{parts[0]}', whom its /etc/passwd does not have."),
            Gid = gid ?? throw new HypervisorException($"The image runs in the group '{parts[1]}', which its /etc/group does not have."),
        };
    }

    private static uint? Number(string? text) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : null;

    private static string[]? Find(HostDirectory root, string file, string name)
    {
        const int mostBytes = 1 << 20;
        if (root.Open("etc", new FileStore(() => 0, 0))?.Lookup(file) is not { IsRegular: true } inode)
            return null;
        var bytes = new byte[Math.Min(inode.Size, mostBytes)];
        int count = Math.Max(0, inode.ReadAt(bytes, 0));
        return Encoding.UTF8.GetString(bytes, 0, count).Split('\n').Select(line => line.Split(':')).FirstOrDefault(fields => fields[0] == name);
    }
}
