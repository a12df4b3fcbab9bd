using System.Security.Cryptography;
using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>A piece of an image, by what it hashes to.</summary>
/// <param name="MediaType">Its kind.</param>
/// <param name="Digest">As in <c>sha256:…</c>.</param>
/// <param name="Size">Bytes it has.</param>
internal readonly record struct Descriptor(string MediaType, string Digest, long Size);

/// <summary>An image: what it says of how to run it, and its layers, the lowest first.</summary>
internal sealed record ImageManifest
{
    public required IReadOnlyList<Descriptor> Layers { get; init; }

    /// <summary>What each layer hashes to once it is unpacked, which names it.</summary>
    public required IReadOnlyList<string> LayerIds { get; init; }

    public IReadOnlyList<string> Environment { get; init; } = [];

    public IReadOnlyList<string> EntryPoint { get; init; } = [];

    public IReadOnlyList<string> Command { get; init; } = [];

    public string WorkingDirectory { get; init; } = "/";

    /// <summary>As in <c>user:group</c>, by name or number; empty for the superuser.</summary>
    public string User { get; init; } = "";
}

/// <summary>
/// A directory in the OCI image layout (image specification, image-layout.md): index, manifests and blobs by their hashes, each
/// of which is checked before anything in it is believed.
/// </summary>
internal sealed class ImageLayout
{
    private const string NameAnnotation = "org.opencontainers.image.ref.name";
    private const long MostDocumentBytes = 4 << 20;
    private const int DeepestIndex = 4;

    private static readonly string[] s_indexes = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
    private static readonly string[] s_manifests = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

    private readonly string _root;

    /// <summary>Opens a layout.</summary>
    /// <exception cref="HypervisorException">The directory is none.</exception>
    public ImageLayout(string root)
    {
        _root = Path.GetFullPath(root);
        string marker = Path.Combine(_root, "oci-layout");
        if (!File.Exists(marker))
            throw new HypervisorException($"'{root}' is no OCI image layout: it has no file oci-layout. 'skopeo copy … oci:DIR' and 'podman push IMAGE oci:DIR' make one.");
        SpecValue version = SpecValue.Parse(ReadDocument(marker), "oci-layout").Get("imageLayoutVersion");
        if (!version.Text().StartsWith("1.", StringComparison.Ordinal))
            throw version.Wrong($"'{version.Text()}' is not served; 1.0.0 is.");
    }

    /// <summary>Finds an image: the one of a tag, or the only one, for riscv64.</summary>
    /// <exception cref="HypervisorException">There is none, or it is damaged.</exception>
    public ImageManifest Find(string? tag)
    {
        SpecValue index = SpecValue.Parse(ReadDocument(Path.Combine(_root, "index.json")), "index.json");
        Descriptor manifest = Choose(index, tag, 0) ?? throw new HypervisorException(
            tag is null ? $"'{_root}' has no image for linux/riscv64, or several: name one as DIR:TAG." : $"'{_root}' has no image '{tag}' for linux/riscv64; it has: {string.Join(", ", Tags(index))}.");
        SpecValue document = SpecValue.Parse(ReadBlob(manifest), "manifest.json");
        List<Descriptor> layers = [.. document.ItemsOf("layers").Select(Read)];
        SpecValue configuration = SpecValue.Parse(ReadBlob(Read(document.Get("config"))), "image.json");
        (string system, string architecture) = (configuration.TextOf("os") ?? "linux", configuration.TextOf("architecture") ?? "riscv64");
        if (system != "linux" || architecture != "riscv64")
            throw new HypervisorException($"The image is for {system}/{architecture}; containers here run linux/riscv64.");
        IReadOnlyList<string> ids = configuration.Get("rootfs").TextsOf("diff_ids");
        if (ids.Count != layers.Count)
            throw new HypervisorException($"image.json: rootfs.diff_ids names {ids.Count} layers, the manifest {layers.Count}.");
        foreach (string id in ids)
            _ = HashOf(id);
        SpecValue? run = configuration.Find("config");
        string? directory = run?.TextOf("WorkingDir");
        return new ImageManifest
        {
            Layers = layers,
            LayerIds = ids,
            Environment = run?.TextsOf("Env") ?? [],
            EntryPoint = run?.TextsOf("Entrypoint") ?? [],
            Command = run?.TextsOf("Cmd") ?? [],
            WorkingDirectory = string.IsNullOrEmpty(directory) ? "/" : directory,
            User = run?.TextOf("User") ?? "",
        };
    }

    /// <summary>The file of a blob, whose hash is not checked yet.</summary>
    /// <exception cref="HypervisorException">It is missing, or its name is no hash.</exception>
    public string PathOf(Descriptor blob)
    {
        string path = Path.Combine(_root, "blobs", "sha256", HashOf(blob.Digest));
        return File.Exists(path) ? path : throw new HypervisorException($"The image misses its piece {blob.Digest}.");
    }

    /// <summary>The hash in a digest, which is nothing but 64 hexadecimal digits: it becomes part of a path.</summary>
    /// <exception cref="HypervisorException">It is something else.</exception>
    public static string HashOf(string digest)
    {
        const string prefix = "sha256:";
        string hash = digest.StartsWith(prefix, StringComparison.Ordinal) ? digest[prefix.Length..] : "";
        return hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower)
            ? hash
            : throw new HypervisorException($"'{digest}' is no digest: sha256: and 64 hexadecimal digits make one.");
    }

    private Descriptor? Choose(SpecValue index, string? tag, int depth)
    {
        if (depth > DeepestIndex)
            throw new HypervisorException("The image's indexes lead to one another without end.");
        var found = new List<Descriptor>();
        foreach (SpecValue item in index.ItemsOf("manifests"))
        {
            Descriptor one = Read(item);
            string? name = item.Find("annotations")?.TextOf(NameAnnotation);
            if (tag is not null && name != tag && !(name?.EndsWith(":" + tag, StringComparison.Ordinal) ?? false))
                continue;
            if (item.Find("platform") is { } platform && (platform.TextOf("architecture") != "riscv64" || platform.TextOf("os") != "linux"))
                continue;
            if (s_indexes.Contains(one.MediaType))
            {
                if (Choose(SpecValue.Parse(ReadBlob(one), "index.json"), null, depth + 1) is { } inner)
                    found.Add(inner);
            }
            else if (s_manifests.Contains(one.MediaType))
            {
                found.Add(one);
            }
        }

        return found.Count == 1 ? found[0] : null;
    }

    private static IEnumerable<string> Tags(SpecValue index)
        => index.ItemsOf("manifests").Select(item => item.Find("annotations")?.TextOf(NameAnnotation)).OfType<string>().DefaultIfEmpty("none with a name");

    private static Descriptor Read(SpecValue descriptor)
    {
        string digest = descriptor.Get("digest").Text();
        _ = HashOf(digest);
        return new Descriptor(descriptor.TextOf("mediaType") ?? "", digest, descriptor.Get("size").Number(0, long.MaxValue));
    }

    private byte[] ReadBlob(Descriptor blob)
    {
        byte[] bytes = ReadDocument(PathOf(blob));
        if (bytes.Length != blob.Size || Convert.ToHexStringLower(SHA256.HashData(bytes)) != HashOf(blob.Digest))
            throw new HypervisorException($"The image's piece {blob.Digest} is damaged: it is not what its name says.");
        return bytes;
    }

    private static byte[] ReadDocument(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MostDocumentBytes)
                throw new HypervisorException($"'{path}' is too large for a document of an image.");
            return File.ReadAllBytes(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new HypervisorException($"'{path}' cannot be read: {problem.Message}", problem);
        }
    }
}
