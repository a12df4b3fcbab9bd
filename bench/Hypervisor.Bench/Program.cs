using Hypervisor.Bench;

return args is [StartComparison.Hello] ? StartComparison.SayHello() : Benches.Run(args);
