using Hypervisor.Host.Cli;

return HvCommandLine.Run(args);
