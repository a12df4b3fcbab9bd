namespace Hypervisor.Core.Devices.Virtio;

/// <summary>The numbers of virtio 1.2 that transport, queues and devices share.</summary>
internal static class VirtioFormat
{
    // Device status bits, §2.1.
    public const uint StatusDriverOk = 4;
    public const uint StatusFeaturesOk = 8;
    public const uint StatusNeedsReset = 64;

    // Feature bits that belong to no device, §6.
    public const ulong FeatureIndirect = 1UL << 28;
    public const ulong FeatureEventIndex = 1UL << 29;
    public const ulong FeatureVersion1 = 1UL << 32;
    public const ulong FeaturePacked = 1UL << 34;

    // Descriptor flags, §2.7.5.
    public const ushort DescriptorNext = 1;
    public const ushort DescriptorWrite = 2;
    public const ushort DescriptorIndirect = 4;
    public const int DescriptorSize = 16;

    // Available ring flag, §2.7.6.
    public const ushort NoInterrupt = 1;
}
