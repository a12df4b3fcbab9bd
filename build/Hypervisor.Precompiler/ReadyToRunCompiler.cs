using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hypervisor.Precompiler;

/// <summary>The SDK's compiler to native code, which comes as a package of its own for each platform.</summary>
internal sealed class ReadyToRunCompiler
{
    private readonly string _program;

    private ReadyToRunCompiler(string program) => _program = program;

    /// <summary>The package that holds the compiler for a platform.</summary>
    public static string PackageOf(string platform) => $"Microsoft.NETCore.App.Crossgen2.{platform}";

    /// <summary>Finds the compiler among the packages, or has it restored; null where it cannot be had.</summary>
    /// <param name="folder">Where to work.</param>
    /// <param name="version">The package's version.</param>
    /// <param name="platform">The platform's runtime identifier.</param>
    /// <param name="packages">Where restored packages lie.</param>
    public static ReadyToRunCompiler? Find(string folder, string version, string platform, string packages)
    {
        string program = Path.Combine(packages, PackageOf(platform).ToLowerInvariant(), version, "tools", OperatingSystem.IsWindows() ? "crossgen2.exe" : "crossgen2");
        string missing = Path.Combine(folder, "no-compiler");
        if (!File.Exists(program) && !File.Exists(missing) && !Restore(folder, version, platform))
            File.WriteAllText(missing, "");
        return File.Exists(program) ? new ReadyToRunCompiler(program) : null;
    }

    /// <summary>Compiles an assembly; false, with a word about it, where the compiler fails.</summary>
    public bool TryCompile(string input, string output, IEnumerable<string> references)
    {
        // Handlers in native code end in jumps on the platforms where that was seen to be so.
        bool handlers = OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;
        string source = Path.ChangeExtension(output, ".il.dll");
        string compiled = Path.ChangeExtension(output, ".native.dll");
        byte[] image = File.ReadAllBytes(input);
        IReadOnlyList<int> wishes = handlers ? OptimizationWishes.Clear(image) : [];
        File.WriteAllBytes(source, image);
        List<string> arguments = [source, "-o", compiled, "-O", "--targetos", TargetSystem, "--targetarch", RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()];
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
            arguments.AddRange(["--instruction-set", "x86-64-v3"]);

        // Code of other modules' generics over our types, and what is inlined from them, is taken in too; the runtime takes it
        // only where their IL is what it was compiled from.
        arguments.AddRange(["--opt-cross-module", "*", "--non-local-generics-module", "*"]);
        arguments.AddRange(["-r", Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "*.dll")]);
        foreach (string reference in references.Where(File.Exists))
            arguments.AddRange(["-r", reference]);
        bool done = Run(_program, arguments, out string text);
        if (done)
        {
            image = File.ReadAllBytes(compiled);
            OptimizationWishes.Set(image, wishes);
            File.WriteAllBytes(output, image);
            File.Delete(compiled);
        }
        else
        {
            Console.WriteLine($"precompile: {input} stays as it is: {text}");
        }

        File.Delete(source);
        return done;
    }

    private static string TargetSystem => OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "osx" : "linux";

    private static bool Restore(string folder, string version, string platform)
    {
        string project = Path.Combine(folder, "compiler.proj");
        File.WriteAllText(project, $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net{Environment.Version.Major}.0</TargetFramework></PropertyGroup>
              <ItemGroup><PackageDownload Include="{PackageOf(platform)}" Version="[{version}]" /></ItemGroup>
            </Project>
            """);
        return Run(Environment.ProcessPath!, ["restore", project, "--nologo"], out _);
    }

    private static bool Run(string program, IEnumerable<string> arguments, out string text)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        text = (text + errors.Result).Trim();
        return process.ExitCode == 0;
    }
}
