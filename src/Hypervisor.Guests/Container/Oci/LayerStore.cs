using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>
/// Layers of images, each unpacked once into a directory of its own that is named by what it hashes to. Whiteouts stay the files
/// they are in the layer; owners and permissions that the host cannot keep stand in a file beside.
/// </summary>
internal sealed class LayerStore(string root)
{
    private const string OwnersFile = "owners";
    private const string FilesFolder = "files";

    /// <summary>The layers of an image as a read-only tree, unpacked where they are not yet.</summary>
    /// <exception cref="HypervisorException">A layer is damaged, or leads out of its directory.</exception>
    public HostDirectory Open(ImageLayout layout, ImageManifest image)
    {
        var layers = new List<HostLayer>();
        for (int i = 0; i < image.Layers.Count; i++)
        {
            string directory = Unpack(layout, image.Layers[i], image.LayerIds[i]);
            layers.Insert(0, new HostLayer(new HostVolume(new FileStore(() => 0, 0), Path.Combine(directory, FilesFolder)).Root, ReadOwners(Path.Combine(directory, OwnersFile))));
        }

        if (layers.Count == 0)
            throw new HypervisorException("The image has no layers: there is nothing to run in it.");
        return new HostDirectory(layers);
    }

    /// <summary>Unpacks a layer; its directory.</summary>
    public string Unpack(ImageLayout layout, Descriptor layer, string id)
    {
        string directory = Path.Combine(root, ImageLayout.HashOf(id));
        if (Directory.Exists(directory))
            return directory;

        // Under another name until it is whole: whoever finds the directory finds all of it.
        string work = Path.Combine(root, $"{ImageLayout.HashOf(id)[..16]}.{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path.Combine(work, FilesFolder));
        try
        {
            using (FileStream file = File.OpenRead(layout.PathOf(layer)))
            {
                // Before any of it is taken apart: what is damaged fails in many ways, and this one says so.
                if (Convert.ToHexStringLower(SHA256.HashData(file)) != ImageLayout.HashOf(layer.Digest))
                    throw new HypervisorException($"The layer {layer.Digest} is damaged: it is not what its name says.");
                file.Position = 0;
                using Stream unpacked = Decompress(file, layer.MediaType);
                using var content = new HashingStream(unpacked);
                new LayerUnpacker(Path.Combine(work, FilesFolder)).Unpack(content, Path.Combine(work, OwnersFile));
                content.ReadToEnd();
                if (content.Hash() != ImageLayout.HashOf(id))
                    throw new HypervisorException($"The layer {layer.Digest} does not unpack to {id}, as the image says it does.");
            }

            try
            {
                Directory.Move(work, directory);
            }
            catch (IOException) when (Directory.Exists(directory))
            {
                Directory.Delete(work, recursive: true); // Somebody else was faster with the same layer.
            }

            return directory;
        }
        catch (Exception problem)
        {
            if (Directory.Exists(work))
                Directory.Delete(work, recursive: true);
            if (problem is InvalidDataException or EndOfStreamException or FormatException)
                throw new HypervisorException($"The layer {layer.Digest} is damaged: {problem.Message}", problem);
            throw;
        }
    }

    private static Stream Decompress(Stream packed, string mediaType)
    {
        if (mediaType.EndsWith("tar+gzip", StringComparison.Ordinal) || mediaType.EndsWith("tar.gzip", StringComparison.Ordinal))
            return new GZipStream(packed, CompressionMode.Decompress);
        if (mediaType.EndsWith("tar+zstd", StringComparison.Ordinal))
            return new ZstdStream(packed);
        if (mediaType.EndsWith(".tar", StringComparison.Ordinal))
            return packed;
        throw new HypervisorException($"A layer is of kind '{mediaType}'; tar, tar+gzip and tar+zstd are unpacked here. 'skopeo copy --dest-compress-format gzip' makes one of the other.");
    }

    private static LayerOwners? ReadOwners(string file)
    {
        if (!File.Exists(file))
            return null;
        var owners = new Dictionary<string, (uint Mode, uint Uid, uint Gid)>();
        foreach (string line in File.ReadLines(file))
        {
            string[] words = line.Split(' ', 4);
            owners[KernelText.FromHost(words[3])] = (uint.Parse(words[0], CultureInfo.InvariantCulture), uint.Parse(words[1], CultureInfo.InvariantCulture), uint.Parse(words[2], CultureInfo.InvariantCulture));
        }

        return (string path, out uint mode, out uint uid, out uint gid) =>
        {
            bool known = owners.TryGetValue(path, out (uint Mode, uint Uid, uint Gid) of);
            (mode, uid, gid) = of;
            return known;
        };
    }

    /// <summary>Hashes what is read through it.</summary>
    private sealed class HashingStream(Stream inner) : SequentialStream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public override int Read(Span<byte> buffer)
        {
            int count = inner.Read(buffer);
            _hash.AppendData(buffer[..count]);
            return count;
        }

        public void ReadToEnd()
        {
            var rest = new byte[64 << 10];
            while (Read(rest) > 0)
            {
            }
        }

        public string Hash() => Convert.ToHexStringLower(_hash.GetCurrentHash());

        protected override void Dispose(bool disposing)
        {
            _hash.Dispose();
            base.Dispose(disposing);
        }
    }
}
