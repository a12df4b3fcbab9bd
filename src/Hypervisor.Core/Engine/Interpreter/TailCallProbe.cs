using System.Diagnostics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Checks that calls in tail position really are jumps in this process. The core is compiled with optimisation in every
/// configuration and the handlers ask for it again; a debugger that suppresses optimisation, or a runtime without tail
/// calls, would let the host stack grow with every guest instruction.
/// </summary>
internal static unsafe class TailCallProbe
{
    private const int Hops = 64;

    /// <exception cref="HypervisorException">Tail calls are not made.</exception>
    public static void Require()
    {
        if (!Works())
        {
            throw new HypervisorException(
                "This process runs without JIT optimisation, so that interpreter handlers cannot call each other by jumps and would overflow the stack; "
                + "run without a debugger that suppresses optimisation, and without DOTNET_JITMinOpts or DOTNET_TieredCompilation overrides of it.");
        }
    }

    /// <summary>Whether the stack stays where it is over a chain of tail calls.</summary>
    public static bool Works()
    {
        HartState state = default;
        TlbEntry entry = default;
        var op = new Op { Handler = (nint)(Next)(&Hop) };
        Hop(&op, &state, &entry, Hops);
        if (state.Event != Hops)
            throw new UnreachableException("the probe's chain did not run to its end");

        // First and last hop saw the stack at these places.
        long grown = Math.Abs((long)state.X[1] - (long)state.X[2]);
        return grown < 1024;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Hop(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        Note(s, budget);
        if (budget == 1)
            return;
        ((Next)op->Handler)(op, s, tlb, budget - 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Note(HartState* s, long budget)
    {
        byte here = 0;
        s->X[budget == Hops ? 1 : 2] = (ulong)&here;
        s->Event++;
    }
}
