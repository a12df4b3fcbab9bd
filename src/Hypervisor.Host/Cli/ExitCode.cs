namespace Hypervisor.Host.Cli;

/// <summary>The exit codes of hv; a guest's own code passes through.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The guest failed without a code of its own.</summary>
    public const int GuestFailed = 1;

    /// <summary>Usage, or bad input.</summary>
    public const int BadInput = 2;

    /// <summary>The time limit passed, as timeout(1) reports it.</summary>
    public const int TimedOut = 124;

    /// <summary>Trouble of the host or of hv itself.</summary>
    public const int HostTrouble = 125;

    /// <summary>Ended by Ctrl-C, as shells report it.</summary>
    public const int Interrupted = 130;
}
