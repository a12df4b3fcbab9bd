using System.Numerics;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices;

/// <summary>
/// The platform-level interrupt controller, <c>sifive,plic-1.0.0</c> (RISC-V PLIC specification 1.0.0): prioritised,
/// level-triggered sources, and for each context (a privilege mode of a hart) enables, a threshold and claim/complete.
/// Registers answer to 4 bytes.
/// </summary>
/// <remarks>
/// A request once forwarded stands until it is claimed, even if its level falls meanwhile (specification, "Interrupt Gateways").
/// A claim heeds no threshold ("Interrupt Claim Process"), so that harts may poll with notifications off.
/// </remarks>
internal sealed class Plic : IMmioDevice
{
    /// <summary>The highest priority.</summary>
    public const uint MaximumPriority = 7;

    private const ulong PendingBase = 0x1000;
    private const ulong EnableBase = 0x2000;
    private const ulong EnableStride = 0x80;
    private const ulong ContextBase = 0x20_0000;
    private const ulong ContextStride = 0x1000;

    private readonly Lock _lock = new();
    private readonly int _sources;
    private readonly int _words;
    private readonly uint[] _priorities;
    private readonly uint[] _levels;
    private readonly uint[] _pending;
    private readonly uint[] _claimed;
    private readonly Context[] _contexts;

    /// <summary>Creates the device with all priorities, enables and thresholds zero.</summary>
    /// <param name="sources">The highest source number; source 0 does not exist.</param>
    /// <param name="contexts">The external-interrupt line of each context, in order.</param>
    public Plic(int sources, IReadOnlyList<IInterruptLine> contexts)
    {
        if (sources is < 1 or > 1023 || contexts.Count is 0 or > 15872)
            throw new HypervisorException($"A PLIC has 1 to 1023 sources and 1 to 15872 contexts, not {sources} and {contexts.Count}.");
        _sources = sources;
        _words = (sources / 32) + 1;
        _priorities = new uint[sources + 1];
        _levels = new uint[_words];
        _pending = new uint[_words];
        _claimed = new uint[_words];
        _contexts = new Context[contexts.Count];
        for (int i = 0; i < _contexts.Length; i++)
            _contexts[i] = new Context(contexts[i], _words);
    }

    /// <inheritdoc/>
    public ulong Size => Math.Max(0x60_0000, ContextBase + ((ulong)_contexts.Length * ContextStride));

    /// <summary>The input of a source.</summary>
    /// <param name="source">1 to the highest source.</param>
    public IInterruptLine Line(int source)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(source, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(source, _sources);
        return new SourceLine(this, source);
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        if (size != 4)
            return 0;
        lock (_lock)
        {
            if (offset < PendingBase)
                return offset / 4 <= (ulong)_sources ? _priorities[offset / 4] : 0;
            if (offset < EnableBase)
                return (offset - PendingBase) / 4 < (ulong)_words ? _pending[(offset - PendingBase) / 4] : 0;
            if (offset < ContextBase)
                return TryEnable(offset, out int owner, out int word) ? _contexts[owner].Enabled[word] : 0;
            if (!TryContext(offset, out int context, out ulong register))
                return 0;
            return register switch
            {
                0 => _contexts[context].Threshold,
                4 => Claim(context),
                _ => 0,
            };
        }
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (size != 4)
            return;
        lock (_lock)
        {
            if (offset < PendingBase)
            {
                if (offset / 4 is > 0 and var source && source <= (ulong)_sources)
                    _priorities[source] = (uint)value & MaximumPriority;
            }
            else if (offset < ContextBase)
            {
                if (TryEnable(offset, out int owner, out int word))
                    _contexts[owner].Enabled[word] = (uint)value & ValidSources(word);
            }
            else if (TryContext(offset, out int context, out ulong register))
            {
                if (register == 0)
                    _contexts[context].Threshold = (uint)value & MaximumPriority;
                else if (register == 4)
                    Complete(context, (uint)value);
            }

            UpdateOutputs();
        }
    }

    /// <inheritdoc/>
    public void Save(StateWriter writer)
    {
        lock (_lock)
        {
            writer.Begin("PLIC"u8, 1);
            writer.Write((uint)_sources);
            writer.Write((uint)_contexts.Length);
            foreach (uint priority in _priorities)
                writer.Write(priority);
            for (int i = 0; i < _words; i++)
            {
                writer.Write(_levels[i]);
                writer.Write(_pending[i]);
                writer.Write(_claimed[i]);
            }

            foreach (Context context in _contexts)
            {
                writer.Write(context.Threshold);
                foreach (uint word in context.Enabled)
                    writer.Write(word);
            }
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("PLIC"u8, 1);
            if (reader.ReadUInt32() != (uint)_sources || reader.ReadUInt32() != (uint)_contexts.Length)
                throw reader.Damaged("a PLIC of other sources or contexts");
            for (int i = 0; i <= _sources; i++)
                _priorities[i] = i == 0 ? reader.ReadUInt32() & 0 : reader.ReadUInt32() & MaximumPriority;
            for (int i = 0; i < _words; i++)
            {
                _levels[i] = reader.ReadUInt32() & ValidSources(i);
                _pending[i] = reader.ReadUInt32() & ValidSources(i);
                _claimed[i] = reader.ReadUInt32() & ValidSources(i);
            }

            foreach (Context context in _contexts)
            {
                context.Threshold = reader.ReadUInt32() & MaximumPriority;
                for (int i = 0; i < _words; i++)
                    context.Enabled[i] = reader.ReadUInt32() & ValidSources(i);

                // The line's level is unknown to a hart that was restored beside: drive it in any case.
                context.Raised = IsRaised(context);
                context.Line.Set(context.Raised);
            }
        }
    }

    private void SetLevel(int source, bool raised)
    {
        int word = source / 32;
        uint bit = 1u << (source % 32);
        lock (_lock)
        {
            if (!raised)
            {
                _levels[word] &= ~bit;
                return;
            }

            _levels[word] |= bit;
            _pending[word] |= bit & ~_claimed[word];
            UpdateOutputs();
        }
    }

    private uint Claim(int context)
    {
        int source = Best(_contexts[context], out _);
        if (source != 0)
        {
            uint bit = 1u << (source % 32);
            _pending[source / 32] &= ~bit;
            _claimed[source / 32] |= bit;
            UpdateOutputs();
        }

        return (uint)source;
    }

    /// <summary>Opens the source's gateway again; a level still up asks anew at once.</summary>
    private void Complete(int context, uint source)
    {
        uint bit = 1u << (int)(source % 32);
        if (source > (uint)_sources || (_contexts[context].Enabled[source / 32] & bit) == 0)
            return;
        _claimed[source / 32] &= ~bit;
        _pending[source / 32] |= _levels[source / 32] & bit;
    }

    /// <summary>The pending enabled source of highest priority above zero, the lowest number among equals; 0 for none.</summary>
    private int Best(Context context, out uint priority)
    {
        int best = 0;
        priority = 0;
        for (int word = 0; word < _words; word++)
        {
            for (uint ready = _pending[word] & context.Enabled[word]; ready != 0; ready &= ready - 1)
            {
                int source = (word * 32) + BitOperations.TrailingZeroCount(ready);
                if (_priorities[source] > priority)
                {
                    priority = _priorities[source];
                    best = source;
                }
            }
        }

        return best;
    }

    private bool IsRaised(Context context)
    {
        Best(context, out uint priority);
        return priority > context.Threshold;
    }

    private void UpdateOutputs()
    {
        foreach (Context context in _contexts)
        {
            bool raised = IsRaised(context);
            if (raised != context.Raised)
            {
                context.Raised = raised;
                context.Line.Set(raised);
            }
        }
    }

    private bool TryEnable(ulong offset, out int context, out int word)
    {
        ulong index = (offset - EnableBase) / EnableStride;
        ulong place = (offset - EnableBase) % EnableStride / 4;
        context = (int)index;
        word = (int)place;
        return offset >= EnableBase && index < (ulong)_contexts.Length && place < (ulong)_words;
    }

    private bool TryContext(ulong offset, out int context, out ulong register)
    {
        context = (int)((offset - ContextBase) / ContextStride);
        register = (offset - ContextBase) % ContextStride;
        return context < _contexts.Length;
    }

    /// <summary>The bits of a word that stand for sources: not source 0, none above the highest.</summary>
    private uint ValidSources(int word)
    {
        uint valid = word == 0 ? ~1u : ~0u;
        int last = _sources - (word * 32);
        return last >= 31 ? valid : valid & ((2u << last) - 1);
    }

    private sealed class Context(IInterruptLine line, int words)
    {
        public readonly IInterruptLine Line = line;
        public readonly uint[] Enabled = new uint[words];
        public uint Threshold;
        public bool Raised;
    }

    private sealed class SourceLine(Plic plic, int source) : IInterruptLine
    {
        public void Set(bool raised) => plic.SetLevel(source, raised);
    }
}
