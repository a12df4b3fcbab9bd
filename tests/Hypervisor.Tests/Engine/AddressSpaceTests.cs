using System.Buffers.Binary;
using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>Translations of address spaces that are left and come back: found again, and gone where a fence says so.</summary>
public sealed class AddressSpaceTests
{
    [Fact]
    public void Run_SpaceComesBack_FindsItsTranslations()
    {
        using var guest = new PagedGuest(spaces: 2);
        guest.Switch(0);
        Assert.Equal(guest.Expected(0, 3), guest.Load(3));
        guest.Switch(1);
        Assert.Equal(guest.Expected(1, 3), guest.Load(3));
        long refills = guest.Refills;
        guest.Switch(0);
        Assert.Equal(guest.Expected(0, 3), guest.Load(3));
        guest.Switch(1);
        Assert.Equal(guest.Expected(1, 3), guest.Load(3));
        Assert.Equal(refills, guest.Refills);
    }

    [Fact]
    public void Run_FenceOfAnotherIdentifier_LeavesTheOthersTranslations()
    {
        using var guest = new PagedGuest(spaces: 2);
        guest.Switch(0);
        guest.Load(3);
        guest.Switch(1);
        guest.Load(3);
        guest.Fence(page: null, space: 0);
        long refills = guest.Refills;
        guest.Load(3);
        Assert.Equal(refills, guest.Refills);
        guest.Switch(0);
        guest.Load(3);
        Assert.Equal(refills + 1, guest.Refills);
    }

    /// <summary>More spaces than are kept, their tables changed at any time, each change followed by one of the fences that it needs.</summary>
    [Fact]
    public void Run_TablesChangeAndAreFenced_LoadsAndStoresGoWhereTheTablesSay()
    {
        Property.ForAll(Gen.Choose(int.MinValue, int.MaxValue), seed =>
        {
            const int spaces = 12;
            var random = new Random(seed);
            using var guest = new PagedGuest(spaces);
            int current = 0;
            guest.Switch(0);
            for (int step = 0; step < 400; step++)
            {
                int page = random.Next(PagedGuest.Pages);
                switch (random.Next(8))
                {
                    case 0 or 1:
                        current = random.Next(spaces);
                        guest.Switch(current);
                        break;
                    case 2:
                        int changed = random.Next(spaces);
                        guest.Map(changed, page, random.Next(PagedGuest.DataPages));
                        guest.Fence(random.Next(2) == 0 ? null : page, random.Next(2) == 0 ? null : changed);
                        break;
                    case 3:
                        guest.Fence(random.Next(2) == 0 ? null : page, random.Next(2) == 0 ? null : random.Next(spaces));
                        break;
                    case 4 or 5:
                        ulong value = (ulong)random.NextInt64();
                        guest.Store(page, value);
                        if (guest.Expected(current, page) != value)
                            return false;
                        break;
                    default:
                        if (guest.Load(page) != guest.Expected(current, page))
                            return false;
                        break;
                }
            }

            return true;
        });
    }

    /// <summary>A hart in supervisor mode with page tables of its own for each space, on which single instructions are run.</summary>
    private sealed unsafe class PagedGuest : IDisposable
    {
        public const int Pages = 16;
        public const int DataPages = 64;

        private const ulong Base = 0x8000_0000;
        private const ulong Tables = Base + 0x10_0000;
        private const ulong Data = Base + 0x20_0000;
        private const ulong Window = 0x4000_0000;
        private const ulong Leaf = 0xC7;
        private const uint Ecall = 0x73;
        private const uint WriteSatp = 0x1806_1073; // csrw satp, a2
        private const uint LoadDouble = 0x0005_B503; // ld a0, 0(a1)
        private const uint StoreDouble = 0x00F5_B023; // sd a5, 0(a1)
        private const uint FenceAll = 0x1200_0073;
        private const uint FenceA3 = 13 << 15;
        private const uint FenceA4 = 14 << 20;

        private readonly GuestMemory _memory = new(new MemoryRegion(Base, 4 << 20));
        private readonly HartContext _hart;
        private readonly CodeCache _code;
        private readonly Interpreter _engine = TestEngine.Create(fuse: true);

        public PagedGuest(int spaces)
        {
            _hart = new HartContext(_memory, new DirectTranslator(_memory, protection: false), new ExitControls { Exceptions = ExitControls.AllExceptions });
            _code = new CodeCache(_memory);
            CsrFile.Reset(ref _hart.State->Privileged, 0);
            _hart.State->Privileged.Mode = PrivilegeMode.Supervisor;
            uint[] program = [WriteSatp, Ecall, LoadDouble, Ecall, StoreDouble, Ecall, FenceAll, Ecall, FenceAll | FenceA3, Ecall, FenceAll | FenceA4, Ecall, FenceAll | FenceA3 | FenceA4, Ecall];
            for (int i = 0; i < program.Length; i++)
                Write(Base + (ulong)i * 4, program[i], 4);
            for (int page = 0; page < DataPages; page++)
                Write(Data + (ulong)page * 4096, 0x1234_0000 + (ulong)page, 8);
            for (int space = 0; space < spaces; space++)
            {
                Write(RootOf(space) + 2 * 8, Base >> 2 | Leaf | 8, 8); // A gigabyte as it is, with the program in it.
                Write(RootOf(space) + 1 * 8, (RootOf(space) + 0x1000) >> 2 | 1, 8);
                Write(RootOf(space) + 0x1000, (RootOf(space) + 0x2000) >> 2 | 1, 8);
                for (int page = 0; page < Pages; page++)
                    Map(space, page, (space * 7 + page) % DataPages);
            }
        }

        public long Refills => _hart.TlbRefills;

        public void Map(int space, int page, int data) => Write(EntryOf(space, page), (Data + (ulong)data * 4096) >> 2 | Leaf, 8);

        public void Switch(int space)
        {
            _hart.State->X[12] = 8UL << 60 | (ulong)(space + 1) << 44 | RootOf(space) >> 12;
            Run(0);
        }

        public ulong Load(int page)
        {
            _hart.State->X[11] = Window + (ulong)page * 4096;
            Run(1);
            return _hart.State->X[10];
        }

        public void Store(int page, ulong value)
        {
            _hart.State->X[11] = Window + (ulong)page * 4096;
            _hart.State->X[15] = value;
            Run(2);
        }

        public void Fence(int? page, int? space)
        {
            _hart.State->X[13] = Window + (ulong)(page ?? 0) * 4096;
            _hart.State->X[14] = (ulong)(space ?? 0) + 1;
            Run(3 + (page is null ? 0 : 1) + (space is null ? 0 : 2));
        }

        /// <summary>What lies where the tables say that a page is.</summary>
        public ulong Expected(int space, int page) => Read(Read(EntryOf(space, page)) >> 10 << 12);

        public void Dispose()
        {
            _code.Dispose();
            _hart.Dispose();
            _memory.Dispose();
        }

        private static ulong RootOf(int space) => Tables + (ulong)space * 0x3000;

        private static ulong EntryOf(int space, int page) => RootOf(space) + 0x2000 + (ulong)page * 8;

        private void Run(int part)
        {
            _hart.State->Pc = Base + (ulong)part * 8;
            VmExit exit = _engine.Run(_hart, _code, 1000);
            Assert.Equal(VmExitReason.EnvironmentCall, exit.Reason);
            Assert.Equal(Base + (ulong)part * 8 + 4, _hart.State->Pc);
        }

        private void Write(ulong address, ulong value, int size)
        {
            Span<byte> bytes = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            Assert.True(_memory.TryWrite(address, bytes[..size]));
        }

        private ulong Read(ulong address)
        {
            Span<byte> bytes = stackalloc byte[8];
            Assert.True(_memory.TryRead(address, bytes));
            return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        }
    }
}
