namespace Hypervisor.Tests.Architecture;

/// <summary>The checkout the tests were built in.</summary>
internal static class Repository
{
    /// <summary>Its top folder.</summary>
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException("Hypervisor.sln lies in no folder above the tests");
    }
}
