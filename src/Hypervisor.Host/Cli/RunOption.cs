namespace Hypervisor.Host.Cli;

/// <summary>An option of <c>hv run</c>.</summary>
/// <param name="name">Its name, dashes included.</param>
/// <param name="description">What it does, for the help.</param>
/// <param name="value">What the help calls its value; null for a switch, which has none.</param>
/// <param name="often">Whether it may be given again.</param>
/// <param name="standard">Its value where it is not given; null for none.</param>
/// <param name="alias">Another name of it; null for none.</param>
internal sealed class RunOption(string name, string description, string? value = null, bool often = false, string? standard = null, string? alias = null)
{
    public string Name => name;

    public string Description => description;

    public string? Value => value;

    public bool IsSwitch => value is null;

    public bool Often => often;

    public string? Standard => standard;

    public string? Alias => alias;
}
