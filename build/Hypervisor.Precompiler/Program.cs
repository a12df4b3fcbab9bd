using Hypervisor.Precompiler;

// FOLDER VERSION PLATFORM PACKAGES REFERENCES INPUT...: gives each input native code and puts it into the folder. Where the
// compiler is not to be had, inputs are copied as they are, and the runtime compiles them as it needs them.
if (args.Length < 6)
{
    Console.Error.WriteLine("precompile: FOLDER VERSION PLATFORM PACKAGES REFERENCES INPUT... are needed.");
    return 2;
}

string folder = args[0];
string[] references = args[4].Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
Directory.CreateDirectory(folder);
ReadyToRunCompiler? compiler = ReadyToRunCompiler.Find(folder, args[1], args[2], args[3]);
if (compiler is null)
    Console.WriteLine($"precompile: the package {ReadyToRunCompiler.PackageOf(args[2])} {args[1]} is not to be had; hv works without it, and starts slower.");
foreach (string input in args[5..])
{
    string output = Path.Combine(folder, Path.GetFileName(input));
    if (compiler is null || !compiler.TryCompile(input, output, references))
        File.Copy(input, output, overwrite: true);
}

return 0;
