using System.Reflection.Emit;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// The short way to guest memory: the pages that accesses of one base register last met stand in a window, at a fixed place behind
/// the TLB, and one comparison says that the next access lies in them too. In locals it would be shorter still, but then registers
/// run out, and what the JIT spills in a loop costs more; and there other threads could not end it. For the same reason an access
/// outside of its window leaves the region, which moves the window on its way (<see cref="RegionExits.LeaveBlock"/>).
/// </summary>
internal sealed unsafe partial class RegionCompiler
{
    private readonly LocalBuilder _distance;

    private int WindowNumber(int window) => (_windows.First + window) % Tlb.Windows;

    /// <summary>The address of a word of a window, with the TLB.</summary>
    private void LoadWindow(int table, int window)
    {
        _il.Emit(OpCodes.Ldarg_2);
        LoadField(table + 8 * WindowNumber(window));
    }

    private void LoadLimit(int window)
    {
        LoadWindow(Tlb.WindowLimits, window);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Ldind_I8);
    }

    /// <summary>Leaves the host address of a range on the stack whose bytes all lie in a window.</summary>
    private void EmitWindowed(byte register, int offset, int size, bool store, int window, bool single)
    {
        Label elsewhere = Leave(Interpreted() with
        {
            Window = WindowNumber(window),
            Size = size,
            IsStore = store ? 1 : 0,
            Counter = window,
            IsGroup = single ? 0 : 1,
        });
        Load(register);
        LoadWindow(Tlb.WindowBiases, window);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Add);
        if (offset != 0)
        {
            _il.Emit(OpCodes.Ldc_I8, (long)offset);
            _il.Emit(OpCodes.Add);
        }

        _il.Emit(OpCodes.Stloc, _distance);
        _il.Emit(OpCodes.Ldloc, _distance);
        LoadLimit(window);
        _il.Emit(OpCodes.Bge_Un, elsewhere);
        if (size > 8)
        {
            _il.Emit(OpCodes.Ldloc, _distance);
            _il.Emit(OpCodes.Ldc_I8, size - 8L);
            _il.Emit(OpCodes.Add);
            LoadLimit(window);
            _il.Emit(OpCodes.Bge_Un, elsewhere);
        }

        _il.Emit(OpCodes.Ldloc, _distance);
        LoadWindow(Tlb.WindowHosts, window);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Conv_U);
    }
}
