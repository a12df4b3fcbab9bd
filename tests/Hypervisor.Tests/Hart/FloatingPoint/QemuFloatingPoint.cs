using System.Buffers.Binary;
using System.Text;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>
/// The outside truth: a riscv64 program, made from the operations' own assembly text, that executes vectors one by one
/// under QEMU's user emulation and reports each result and the flags it raised.
/// </summary>
internal static class QemuFloatingPoint
{
    public const string Compiler = "riscv64-linux-gnu-gcc";
    public const string Emulator = "qemu-riscv64-static";

    public static IReadOnlyList<(ulong Result, uint Flags)> Run(IReadOnlyList<FpVector> vectors)
    {
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

        using var folder = new TemporaryFolder();
        var source = folder.Write("reference.c", Encoding.UTF8.GetBytes(Source()));
        Peer.Run(Compiler, "-march=rv64gc_zfh", "-O1", "-static", "-o", folder["reference"], source);
        Peer.Run(Emulator, "-cpu", "rv64,Zfh=true", folder["reference"], folder.Write("vectors", input), folder["answers"]);
        var output = File.ReadAllBytes(folder["answers"]);
        Assert.Equal(vectors.Count * 16, output.Length);
        var answers = new (ulong, uint)[vectors.Count];
        for (var i = 0; i < answers.Length; i++)
        {
            var record = output.AsSpan(i * 16, 16);
            answers[i] = (BinaryPrimitives.ReadUInt64LittleEndian(record), BinaryPrimitives.ReadUInt32LittleEndian(record[8..]));
        }

        return answers;
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
            int main(int count, char** arguments)
            {
                FILE* input = fopen(arguments[1], "rb");
                FILE* output = fopen(arguments[2], "wb");
                if (!input || !output) return 2;
                struct vector v;
                while (fread(&v, sizeof v, 1, input) == 1) {
                    struct answer answer = {0};
                    uint64_t integer = 0, floating = 0;
                    switch (v.operation) {
            {{cases}}
                    default: return 1;
                    }
                    answer.result = integer | floating;
                    fwrite(&answer, sizeof answer, 1, output);
                }
                return fclose(output) != 0;
            }
            """;
    }
}
