using System.CommandLine;
using Hypervisor.Core.Devices.Images;

namespace Hypervisor.Host.Cli;

/// <summary><c>hv image</c>.</summary>
internal static class ImageCommand
{
    /// <summary>The command and what it does.</summary>
    public static Command Create()
    {
        Argument<string> file = new("file") { Description = "The image to make.", HelpName = "FILE.qcow2" };
        Option<string?> size = new("--size") { Description = "Bytes of the disk, such as 4G; those of the image below where left out.", HelpName = "SIZE" };
        Option<string?> backing = new("--backing") { Description = "An image that is read where nothing was written, and never changed; named from where the new one is.", HelpName = "FILE" };
        Option<string?> format = new("--backing-format") { Description = "That image's format, raw or qcow2; by its name where left out.", HelpName = "FORMAT" };
        var create = new Command("create", "Make a disk image that takes storage only as it is written.") { file, size, backing, format };
        create.SetAction(parsed =>
        {
            long? bytes = parsed.GetValue(size) is { } text ? (long)MemorySize.Parse(text) : null;
            DiskImage.Create(parsed.GetValue(file)!, bytes, parsed.GetValue(backing), parsed.GetValue(format));
            return ExitCode.Success;
        });
        return new Command("image", "Make disk images.") { create };
    }
}
