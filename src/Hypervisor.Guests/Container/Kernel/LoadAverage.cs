namespace Hypervisor.Guests.Container.Kernel;

/// <summary>Averages of how many tasks want to run, over 1, 5 and 15 minutes: brought up to date when they are asked for.</summary>
internal sealed class LoadAverage
{
    private static readonly double[] s_minutes = [1, 5, 15];

    private readonly double[] _averages = new double[3];
    private long _last;

    public double Over(int which) => _averages[which];

    public void Update(long now, int running)
    {
        double minutes = (now - _last) / 60e9;
        _last = now;
        for (int i = 0; i < _averages.Length; i++)
            _averages[i] += (running - _averages[i]) * (1 - Math.Exp(-minutes / s_minutes[i]));
    }
}
