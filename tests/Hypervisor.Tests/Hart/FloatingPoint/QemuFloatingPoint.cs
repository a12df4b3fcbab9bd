using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>
/// The outside truth: a riscv64 program, made from the operations' own assembly text, that executes vectors one by one
/// under QEMU's user emulation and reports each result and the flags it raised.
/// </summary>
internal static class QemuFloatingPoint
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Emulator = "qemu-riscv64-static";

    public static IReadOnlyList<(ulong Result, uint Flags)> Run(IReadOnlyList<FpVector> vectors)
    {
        var folder = Directory.CreateTempSubdirectory("hv-fp-");
        try
        {
            var source = Path.Combine(folder.FullName, "reference.c");
            var program = Path.Combine(folder.FullName, "reference");
            File.WriteAllText(source, Source());
            Execute(Compiler, ["-O1", "-static", "-o", program, source], []);
            var input = new byte[vectors.Count * 32];
            for (var i = 0; i < vectors.Count; i++)
            {
                var record = input.AsSpan(i * 32, 32);
                BinaryPrimitives.WriteInt32LittleEndian(record, vectors[i].Operation);
                BinaryPrimitives.WriteInt32LittleEndian(record[4..], vectors[i].Rounding);
                BinaryPrimitives.WriteUInt64LittleEndian(record[8..], vectors[i].A);
                BinaryPrimitives.WriteUInt64LittleEndian(record[16..], vectors[i].B);
                BinaryPrimitives.WriteUInt64LittleEndian(record[24..], vectors[i].C);
            }

            var output = Execute(Emulator, [program], input);
            Assert.Equal(vectors.Count * 16, output.Length);
            var answers = new (ulong, uint)[vectors.Count];
            for (var i = 0; i < answers.Length; i++)
            {
                var record = output.AsSpan(i * 16, 16);
                answers[i] = (BinaryPrimitives.ReadUInt64LittleEndian(record), BinaryPrimitives.ReadUInt32LittleEndian(record[8..]));
            }

            return answers;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Source()
    {
        var cases = new StringBuilder();
        for (var i = 0; i < FpOperation.All.Count; i++)
            cases.AppendLine($"        case {i}: EXECUTE(\"{FpOperation.All[i].Assembly}\"); break;");
        return $$"""
            #include <stdint.h>
            #include <stdio.h>
            struct vector { uint32_t operation, rounding; uint64_t a, b, c; };
            struct answer { uint64_t result, flags; };
            #define EXECUTE(text) asm volatile( \
                "fsrm %[rm]\n fmv.d.x ft0, %[a]\n fmv.d.x ft1, %[b]\n fmv.d.x ft2, %[c]\n fmv.d.x ft3, zero\n" \
                "mv %[r], zero\n fsflags zero\n" text "\n frflags %[f]\n fmv.x.d %[x], ft3\n" \
                : [r] "=&r"(integer), [x] "=&r"(floating), [f] "=&r"(answer.flags) \
                : [a] "r"(v.a), [b] "r"(v.b), [c] "r"(v.c), [rm] "r"((uint64_t)v.rounding) \
                : "ft0", "ft1", "ft2", "ft3")
            int main(void)
            {
                struct vector v;
                while (fread(&v, sizeof v, 1, stdin) == 1) {
                    struct answer answer = {0};
                    uint64_t integer = 0, floating = 0;
                    switch (v.operation) {
            {{cases}}
                    default: return 1;
                    }
                    answer.result = integer | floating;
                    fwrite(&answer, sizeof answer, 1, stdout);
                }
                return fflush(stdout) != 0;
            }
            """;
    }

    private static byte[] Execute(string file, string[] arguments, byte[] input)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var write = Task.Run(() =>
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        });
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        write.Wait();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{file} ended with {process.ExitCode}: {errors.Result}");
        return output.ToArray();
    }
}
