// Placeholder until CsrFile.cs and TrapUnit.cs land: delete this file in that change.
namespace Hypervisor.Core.Hart;
internal struct CsrCounters { public ulong Cycle, Time, Retired; }
[Flags] internal enum CsrEffects { None=0, ContextChanged=1, TranslationChanged=2, InterruptsChanged=4, TimerChanged=8 }
internal static unsafe class CsrFile {
  public static bool TryRead(HartState* s, ref PrivilegedState p, int csr, in CsrCounters c, out ulong v){ v=0; if(csr==1){v=s->Fflags;return true;} if(csr==2){v=s->Frm;return true;} if(csr==3){v=s->Fflags|s->Frm<<5;return true;} if (csr==0xC02){v=c.Retired;return true;} return false; }
  public static bool TryWrite(HartState* s, ref PrivilegedState p, int csr, ulong v, in CsrCounters c, out CsrEffects e){ e=0; if(csr==1){s->Fflags=(uint)v&31;return true;} if(csr==2){s->Frm=(uint)v&7;return true;} if(csr==3){s->Fflags=(uint)v&31;s->Frm=(uint)v>>5&7;return true;} return false; }
}
internal static unsafe class TrapUnit {
  public static void Enter(HartState* s, ref PrivilegedState p, ulong cause, ulong v){}
  public static bool MachineReturn(HartState* s, ref PrivilegedState p)=>false;
  public static bool SupervisorReturn(HartState* s, ref PrivilegedState p)=>false;
  public static int PendingInterrupt(in PrivilegedState p)=>-1;
  public static bool WaitIsLegal(in PrivilegedState p)=>false;
  public static bool FenceIsLegal(in PrivilegedState p)=>false;
}
