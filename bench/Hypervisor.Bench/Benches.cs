using BenchmarkDotNet.Running;

namespace Hypervisor.Bench;

/// <summary>
/// The benches by their names. peers [--tables flat,supervisor,real] [--rounds N] [--json F] [--html F]: programs beside QEMU; boot: kernels beside QEMU; linux: one kernel and program in every mode; containers: system calls beside Linux and qemu-user; run FILE: one program on the bare engine; scale: a thousand guests beside two; guests: what guests cost to make and to keep; start [--program F]: what starting costs; schedule [--html FILE]: what a decision costs under each policy; anything else: BenchmarkDotNet's own options.
/// </summary>
internal static class Benches
{
    public static int Run(string[] args) => args switch
    {
        ["peers", .. string[] rest] => PeerComparison.Execute(rest),
        ["boot", .. string[] rest] => BootComparison.Execute(rest),
        ["schedule", .. string[] rest] => SchedulerCost.Execute(rest),
        ["scale", .. string[] rest] => GuestScale.Execute(rest),
        ["start", .. string[] rest] => StartComparison.Execute(rest),
        ["guests", .. string[] rest] => GuestCost.Execute(rest),
        ["linux", .. string[] rest] => LinuxComparison.Execute(rest),
        ["containers", .. string[] rest] => ContainerComparison.Execute(rest),
        ["run", string file, .. string[] options] => FlatProgram.Execute(file, fuse: !options.Contains("--no-fused-pairs"), FlatProgram.TranslationOf(options), options.Contains("--traces")),
        _ => BenchmarkSwitcher.FromAssembly(typeof(PeerComparison).Assembly).Run(args).Any() ? 0 : 1,
    };
}
