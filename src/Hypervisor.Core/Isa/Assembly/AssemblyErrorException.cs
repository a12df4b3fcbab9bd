namespace Hypervisor.Core.Isa.Assembly;

/// <summary>
/// An error in one statement. It never leaves the assembler: <see cref="AssemblyContext"/> catches it, notes the message
/// with its line, and goes on with the next statement, so that one run reports many errors.
/// </summary>
internal sealed class AssemblyErrorException(string message) : Exception(message);
