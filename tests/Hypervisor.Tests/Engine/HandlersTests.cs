using System.Reflection;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Tests.Engine;

public class HandlersTests
{
    // Code made ahead of time is made without the wish, which is put back: one that stayed without it would be compiled anew while
    // others hold its address, and where there is no such code the JIT would make calls of its jumps.
    [Fact]
    public void Handlers_AsBuilt_AskForFullOptimisation()
    {
        MethodInfo[] handlers = [.. typeof(Handlers).GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Where(method => method.ReturnType == typeof(void) && method.GetParameters().Length == 4)];
        Assert.NotEmpty(handlers);
        Assert.All(handlers, handler => Assert.True(handler.MethodImplementationFlags.HasFlag(MethodImplAttributes.AggressiveOptimization), handler.Name));
    }
}
