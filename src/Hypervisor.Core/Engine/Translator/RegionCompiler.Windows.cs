using System.Reflection.Emit;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// The short way to guest memory: the page that accesses of one base register last met stands in a window, at a fixed place behind
/// the TLB, and one comparison says that the next access lies in it too. In locals it would be shorter still, but then registers
/// run out, and what the JIT spills in a loop costs more; and there other threads could not end it.
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

    /// <summary>Leaves the host address of a range on the stack whose bytes all lie in one page, by a window.</summary>
    private void EmitWindowed(byte register, int offset, int size, bool store, int window, Label slow)
    {
        Label found = _il.DefineLabel();
        Label elsewhere = OutOfLine(() => EmitMoveWindow(size, store, window, found, slow));
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

        _il.MarkLabel(found);
        _il.Emit(OpCodes.Ldloc, _distance);
        LoadWindow(Tlb.WindowHosts, window);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Conv_U);
    }

    /// <summary>Moves a window to the page of an access, by the TLB, and goes on with it.</summary>
    private void EmitMoveWindow(int size, bool store, int window, Label found, Label slow)
    {
        int table = store ? Tlb.Entries * sizeof(TlbEntry) : 0;
        nint misses = _tables.Misses + 8 * window;
        _il.Emit(OpCodes.Ldloc, _distance);
        LoadWindow(Tlb.WindowBiases, window);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _address);
        EmitFind(size, store, slow);
        LoadPointer(misses);
        LoadPointer(misses);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I8);

        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Ldc_I8, 0xFFFL);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Stloc, _distance);
        LoadWindow(Tlb.WindowBiases, window);
        _il.Emit(OpCodes.Ldloc, _distance);
        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stind_I8);
        LoadWindow(Tlb.WindowHosts, window);
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField(table + 8);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldloc, _distance);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stind_I8);
        _il.Emit(OpCodes.Ldarg_2);
        LoadField(Tlb.WindowsMade);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Stind_I8);
        LoadWindow(Tlb.WindowLimits, window);
        _il.Emit(OpCodes.Ldc_I8, Tlb.WindowLimit);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Stind_I8);
        if (store)
        {
            // Another thread may be dropping the entry: it then drops the windows, of which this may be none yet.
            Label there = _il.DefineLabel();
            _il.Emit(OpCodes.Call, s_fence);
            _il.Emit(OpCodes.Ldloc, _entry);
            LoadField(table);
            _il.Emit(OpCodes.Volatile);
            _il.Emit(OpCodes.Ldind_I8);
            _il.Emit(OpCodes.Ldloc, _address);
            _il.Emit(OpCodes.Ldloc, _distance);
            _il.Emit(OpCodes.Sub);
            _il.Emit(OpCodes.Beq, there);
            LoadWindow(Tlb.WindowLimits, window);
            _il.Emit(OpCodes.Ldc_I8, 0L);
            _il.Emit(OpCodes.Stind_I8);
            _il.Emit(OpCodes.Br, slow);
            _il.MarkLabel(there);
        }

        _il.Emit(OpCodes.Br, found);
    }
}
