namespace Hypervisor.Guests.Container.Kernel;

/// <summary>A timer of timer_create(2).</summary>
internal sealed class PosixTimer
{
    public const int SendSignal = 0, Nothing = 1, SendToTask = 4;

    private const int FromTimer = -2;

    public PosixTimer(Process process, int id, Func<long>? used, int notify, int signal, ulong value, KernelTask? target)
    {
        Timer = new KernelTimer(process.Container.Host, used, times =>
        {
            Overruns = times - 1;
            if (notify == Nothing)
                return;
            var info = new SignalInfo(signal, FromTimer, (uint)id | (ulong)(uint)Overruns << 32, value);

            // While the last signal has not been taken, expirations are counted instead.
            if (target is null)
                process.Container.Host.Send(process, info);
            else if (!target.Killed)
                process.Container.Host.Send(target, info);
        });
    }

    public KernelTimer Timer { get; }

    public bool IsRealtime { get; init; }

    public long Overruns { get; private set; }
}
