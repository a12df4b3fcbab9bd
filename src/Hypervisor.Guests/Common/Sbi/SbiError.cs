namespace Hypervisor.Guests.Common.Sbi;

/// <summary>The error values of the SBI (SBI 3.0, section 3, table 1).</summary>
internal enum SbiError : long
{
    Success = 0,
    Failed = -1,
    NotSupported = -2,
    InvalidParam = -3,
    Denied = -4,
    InvalidAddress = -5,
    AlreadyAvailable = -6,
    AlreadyStarted = -7,
    AlreadyStopped = -8,
    NoSharedMemory = -9,
    DeniedLocked = -14,
}
