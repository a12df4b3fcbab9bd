namespace Hypervisor.Core;

/// <summary>
/// The one exception that bad host input raises: a malformed image, an impossible configuration, assembly that does not
/// assemble. The message names what was wrong, where, and what to do. Guest faults never raise it; they are values.
/// </summary>
public sealed class HypervisorException : Exception
{
    /// <summary>Creates the exception with a message for the user.</summary>
    /// <param name="message">What was wrong, where, and what to do.</param>
    public HypervisorException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with a message for the user and its cause.</summary>
    /// <param name="message">What was wrong, where, and what to do.</param>
    /// <param name="innerException">The error underneath.</param>
    public HypervisorException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
