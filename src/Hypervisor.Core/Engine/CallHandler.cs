namespace Hypervisor.Core.Engine;

/// <summary>
/// Makes environment calls of a hart where they are met, without the hart leaving the engine: those that neither wait nor change
/// anything but the hart's integer registers and memory that its TLB lets it store to.
/// </summary>
internal abstract class CallHandler
{
    /// <summary>
    /// Makes the call in the hart's registers and puts the program counter behind it; false with nothing done where the call is to leave
    /// the engine. Guest time is what it is at the call. Whatever is to happen to the hart, by the call or by others meanwhile, asks for attention.
    /// </summary>
    public abstract bool TryMake(HartContext hart);
}
