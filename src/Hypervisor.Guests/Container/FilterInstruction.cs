namespace Hypervisor.Guests.Container;

/// <summary>
/// An instruction of a filter over system calls: one of the classic packet filter's (<c>struct sock_filter</c>) that reads a
/// <c>struct seccomp_data</c> and ends by returning an action, as seccomp(2) tells.
/// </summary>
/// <param name="Code">What it does.</param>
/// <param name="JumpTrue">Instructions to skip where a comparison holds.</param>
/// <param name="JumpFalse">Instructions to skip where it does not.</param>
/// <param name="Value">Its constant.</param>
public readonly record struct FilterInstruction(ushort Code, byte JumpTrue, byte JumpFalse, uint Value);
