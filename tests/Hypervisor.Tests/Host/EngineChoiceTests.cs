using Hypervisor.Core.Engine.Translator;
using Hypervisor.Host.Run;

namespace Hypervisor.Tests.Host;

public sealed class EngineChoiceTests
{
    [Fact]
    public void Create_Auto_TranslatesWhereTheRuntimeCan()
    {
        Assert.Equal(EngineChoice.Auto, EngineChoice.Names[0]);
        Assert.Equal(TranslatorTier.IsSupported ? "translator" : "interpreter", EngineChoice.Create(EngineChoice.Auto).Name);
        Assert.Equal("interpreter", EngineChoice.Create(EngineChoice.InterpreterAlone).Name);
    }
}
