// Programs and interpreters (PT_INTERP) that are not what they should be: what execve says. Linux and our kernel must say the same.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static Elf64_Ehdr own;

struct program { Elf64_Ehdr header; Elf64_Phdr segments[3]; char name[8200]; };

// A program with an interpreter and one segment that would hold it.
static struct program plain(const char *interpreter)
{
    static struct program p;
    memset(&p, 0, sizeof p);
    p.header = own;
    p.header.e_type = ET_EXEC;
    p.header.e_phoff = sizeof p.header;
    p.header.e_phnum = interpreter ? 2 : 1;
    p.header.e_entry = 0x400000;
    p.header.e_shoff = p.header.e_shnum = 0;
    p.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_paddr = 0x400000, .p_filesz = 4096, .p_memsz = 4096, .p_align = 4096};
    if (interpreter) {
        size_t length = strlen(interpreter) + 1;
        memcpy(p.name, interpreter, length);
        p.segments[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_flags = PF_R, .p_offset = offsetof(struct program, name), .p_filesz = length, .p_memsz = length, .p_align = 1};
    }
    return p;
}

static void save(const char *name, const void *bytes, size_t length, int mode)
{
    unlink(name);
    int fd = open(name, O_CREAT | O_WRONLY, 0700);
    write(fd, bytes, length);
    close(fd);
    chmod(name, mode);
}

static void run(const char *what, const struct program *p, size_t length)
{
    save("program", p, length, 0700);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {"program", NULL};
        execve("program", arguments, NULL);
        _exit(errno);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("%s: ended by a signal\n", what);
    else printf("%s: errno %d\n", what, WEXITSTATUS(status));
}

int main(void)
{
    char folder[] = "/tmp/interpreters-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder)) return 1;
    int self = open("/proc/self/exe", O_RDONLY);
    read(self, &own, sizeof own);
    close(self);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    struct program p = plain("missing");
    run("missing", &p, sizeof p);
    p = plain("/nowhere/at/all");
    run("missing folder", &p, sizeof p);
    mkdir("folder", 0700);
    p = plain("folder");
    run("folder", &p, sizeof p);
    save("text", "only text, and long enough to be taken for the header of a program if it were one", 82, 0700);
    p = plain("text");
    run("text", &p, sizeof p);
    save("forbidden", "x", 1, 0600);
    p = plain("forbidden");
    run("not executable", &p, sizeof p);
    struct program other = plain(NULL);
    other.header.e_machine = EM_68K;
    save("foreign", &other, sizeof other, 0700);
    p = plain("foreign");
    run("another machine's", &p, sizeof p);
    other = plain(NULL);
    other.header.e_phnum = 0;
    save("segmentless", &other, sizeof other, 0700);
    p = plain("segmentless");
    run("without segments", &p, sizeof p);
    other = plain(NULL);
    other.header.e_phentsize = 7;
    save("sizes", &other, sizeof other, 0700);
    p = plain("sizes");
    run("headers of another size", &p, sizeof p);
    p = plain("text");
    p.segments[1].p_filesz = 4;
    run("name without end", &p, sizeof p);
    p.segments[1].p_filesz = 1;
    run("name of one byte", &p, sizeof p);
    p.segments[1].p_filesz = 0;
    run("no name", &p, sizeof p);
    memset(p.name, 'n', 8191);
    p.segments[1].p_filesz = 8192;
    run("name too long", &p, sizeof p);
    p.segments[1].p_filesz = 4096;
    p.name[4095] = 0;
    run("component too long", &p, sizeof p);
    p.segments[1].p_filesz = (Elf64_Xword)-1;
    run("name that wraps", &p, sizeof p);
    p = plain(NULL);
    p.header.e_machine = EM_68K;
    run("program of another machine", &p, sizeof p);
    p = plain(NULL);
    p.header.e_type = ET_REL;
    run("object", &p, sizeof p);
    p = plain(NULL);
    p.header.e_phentsize = 7;
    run("headers of another size", &p, sizeof p);
    p = plain(NULL);
    p.header.e_phnum = 0;
    run("no headers", &p, sizeof p);
    p = plain(NULL);
    p.header.e_phoff = 1 << 20;
    run("headers outside", &p, sizeof p);
    p = plain(NULL);
    run("cut in its header", &p, 40);
    p.header.e_ident[EI_MAG0] = 'x';
    run("no magic", &p, sizeof p);
    save("script", "#!\n", 3, 0700);
    p = plain(NULL);
    memcpy(&p, "#!missing\n", 10);
    run("script of nobody", &p, 10);
    memcpy(&p, "#!\n", 3);
    run("script of nothing", &p, 3);
    memcpy(&p, "#!program\n", 10);
    run("script of itself", &p, 10);
    run("nothing at all", &p, 0);
    const char *names[] = {"program", "text", "forbidden", "foreign", "segmentless", "sizes", "script"};
    for (int i = 0; i < 7; i++) unlink(names[i]);
    rmdir("folder");
    rmdir(folder);
    return 0;
}
