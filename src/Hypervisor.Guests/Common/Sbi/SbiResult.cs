namespace Hypervisor.Guests.Common.Sbi;

/// <summary>What the calling hart does after its call.</summary>
internal enum SbiCompletion : byte
{
    /// <summary>Goes on with the error in a0 and the value in a1.</summary>
    Resume,

    /// <summary>Goes on with a0 alone changed, as the legacy extensions want (SBI 2.0, section 5).</summary>
    ResumeLegacy,

    /// <summary>Goes on as with <see cref="Resume"/>, when the scheduler picks it again.</summary>
    Yield,

    /// <summary>Sleeps; goes on as with <see cref="Resume"/> once woken, unless the platform then decides otherwise.</summary>
    Block,

    /// <summary>Never goes on: the machine has ended.</summary>
    Stop,
}

/// <summary>The answer to one <see cref="SbiCall"/>.</summary>
internal readonly struct SbiResult
{
    public readonly SbiError Error;
    public readonly ulong Value;
    public readonly SbiCompletion Completion;

    public SbiResult(SbiError error, ulong value = 0, SbiCompletion completion = SbiCompletion.Resume)
    {
        Error = error;
        Value = value;
        Completion = completion;
    }

    public static implicit operator SbiResult(SbiError error) => new(error);

    /// <summary>Success with a value.</summary>
    public static SbiResult Ok(ulong value) => new(SbiError.Success, value);

    /// <summary>The answer of a legacy call: a0 alone.</summary>
    public static SbiResult Legacy(long a0) => new((SbiError)a0, 0, SbiCompletion.ResumeLegacy);
}
