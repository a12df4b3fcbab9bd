using Hypervisor.Guests.Container.Syscalls;

namespace Hypervisor.Tests.Container;

/// <summary>The page of docs that is made from the table of system calls.</summary>
public sealed class SyscallPageTests
{
    [Fact]
    public void Docs_AreWhatTheTableSays()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
            folder = folder.Parent;
        string path = Path.Combine(folder!.FullName, "docs", "syscalls.md");
        string page = SyscallPage.Write();
        if (Environment.GetEnvironmentVariable("HV_UPDATE_DOCS") == "1")
            File.WriteAllText(path, page);
        Assert.True(File.ReadAllText(path).ReplaceLineEndings("\n") == page.ReplaceLineEndings("\n"),
            "docs/syscalls.md is out of date: run HV_UPDATE_DOCS=1 dotnet test --filter SyscallPage");
    }

    [Fact]
    public void Numbers_ThatAreServed_HaveNames()
        => Assert.Empty(SyscallTable.Numbers.Except(SyscallNames.Numbers));
}
