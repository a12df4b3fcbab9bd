using System.Text;

namespace Hypervisor.Bench;

/// <summary>What all charts' pages begin with: they need nothing from elsewhere.</summary>
internal static class ChartPage
{
    /// <summary>A page up to its heading; who writes it ends body and html.</summary>
    public static StringBuilder Begin(string title)
        => new($$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>{{title}}</title><style>
            body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto}svg{width:100%;height:auto}text{font:12px system-ui,sans-serif}
            </style></head><body>
            <h1>{{title}}</h1>

            """);
}
