// SPDX-License-Identifier: Apache-2.0
//
// Operations on descriptors of files, and what is left of them.
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "script.h"

static char bytes[65536];

static size_t size_of(const char* word) {
  if (bytes[0] == 0) memset(bytes, 'x', sizeof bytes);
  const long n = word != NULL ? atol(word) : 1;
  return n < (long)sizeof bytes ? (size_t)n : sizeof bytes;
}

static int flags_of(const char* letters) {
  int flags = 0, reads = 0, writes = 0;
  for (; letters != NULL && *letters != 0; ++letters) {
    switch (*letters) {
      case 'r': reads = 1; break;
      case 'w': writes = 1; break;
      case 'c': flags |= O_CREAT; break;
      case 'x': flags |= O_EXCL; break;
      case 't': flags |= O_TRUNC; break;
      case 'a': flags |= O_APPEND; break;
      case 'd': flags |= O_DIRECTORY; break;
      case 'p': flags |= O_PATH; break;
      case 'n': flags |= O_NONBLOCK; break;
      case 's': flags |= O_SYNC; break;
      case 'y': flags |= O_DSYNC; break;
      case 'N': flags |= O_NOFOLLOW; break;
      case 'T': flags |= O_TMPFILE; break;
      default: break;
    }
  }
  return flags | (reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY);
}

static long op_open(char** w) { return keep(w[0], open(w[1], flags_of(w[2]), 0644)); }
static long op_openat(char** w) {
  return keep(w[0], openat(slot(w[1]), w[2], flags_of(w[3]), 0644));
}
static long op_openat2(char** w) {
  struct { uint64_t flags, mode, resolve; } how = {(uint64_t)flags_of(w[2]), 0, 0};
  if (how.flags & O_CREAT) how.mode = 0644;
  return keep(w[0], syscall(SYS_openat2, AT_FDCWD, w[1], &how, sizeof how));
}
static long op_creat(char** w) { return keep(w[0], creat(w[1], 0644)); }
static long op_memfd(char** w) { return keep(w[0], memfd_create("script", 0)); }
static long op_pipe(char** w) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  keep(w[0], ends[0]);
  return keep(w[1], ends[1]);
}
static long op_write(char** w) { return write(slot(w[0]), bytes, size_of(w[1])); }
static long op_writev(char** w) {
  struct iovec one = {bytes, size_of(w[1])};
  return writev(slot(w[0]), &one, 1);
}
static long op_pwrite(char** w) { return pwrite(slot(w[0]), bytes, size_of(w[1]), 0); }
static long op_pwritev(char** w) {
  struct iovec one = {bytes, size_of(w[1])};
  return pwritev(slot(w[0]), &one, 1, 0);
}
static long op_pwritev2(char** w) {
  struct iovec one = {bytes, size_of(w[1])};
  return pwritev2(slot(w[0]), &one, 1, 0, w[1] != NULL && w[2] != NULL ? RWF_DSYNC : 0);
}
static long op_raw_write(char** w) {
  return syscall(SYS_write, slot(w[0]), bytes, size_of(w[1]));
}
static long op_stdio(char** w) {
  FILE* stream = fdopen(dup(slot(w[0])), "a");
  if (stream == NULL) return -1;
  fputs("x", stream);
  const int r = fflush(stream), why = errno;
  fclose(stream);
  errno = why;
  return r;
}
static long op_read(char** w) {
  char to[64];
  return read(slot(w[0]), to, size_of(w[1]) & 63);
}
static long op_readv(char** w) {
  char to[64];
  struct iovec one = {to, size_of(w[1]) & 63};
  return readv(slot(w[0]), &one, 1);
}
static long op_pread(char** w) {
  char to[64];
  return pread(slot(w[0]), to, size_of(w[1]) & 63, 0);
}
static long op_preadv(char** w) {
  char to[64];
  struct iovec one = {to, size_of(w[1]) & 63};
  return preadv(slot(w[0]), &one, 1, 0);
}
static long op_sendfile(char** w) {
  off_t at = 0;
  return sendfile(slot(w[0]), slot(w[1]), &at, size_of(w[2]));
}
static long op_splice(char** w) {
  return splice(slot(w[1]), NULL, slot(w[0]), NULL, size_of(w[2]), 0);
}
static long op_copy(char** w) {
  off_t at = 0;
  return copy_file_range(slot(w[1]), &at, slot(w[0]), NULL, size_of(w[2]), 0);
}
static long op_fsync(char** w) { return fsync(slot(w[0])); }
static long op_fdatasync(char** w) { return fdatasync(slot(w[0])); }
static long op_syncfs(char** w) { return syncfs(slot(w[0])); }
static long op_sync(char** w) {
  (void)w;
  return syscall(SYS_sync);
}
static long op_syncrange(char** w) { return sync_file_range(slot(w[0]), 0, 0, 4); }
static long op_msync(char** w) {
  char* page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, slot(w[0]), 0);
  if (page == MAP_FAILED) return -1;
  const int r = msync(page, 4096, MS_SYNC), why = errno;
  munmap(page, 4096);
  errno = why;
  return r;
}
static long op_map(char** w) {
  const int shared = w[1] != NULL && strchr(w[1], 's') != NULL;
  const int writes = w[1] != NULL && strchr(w[1], 'w') != NULL;
  void* page = mmap(NULL, 4096, PROT_READ | (writes ? PROT_WRITE : 0),
                    shared ? MAP_SHARED : MAP_PRIVATE, slot(w[0]), 0);
  if (page == MAP_FAILED) return -1;
  return munmap(page, 4096);
}
static long op_ftruncate(char** w) { return ftruncate(slot(w[0]), atol(w[1])); }
static long op_fallocate(char** w) { return fallocate(slot(w[0]), 0, 0, atol(w[1])); }
static long op_dup(char** w) { return keep(w[1], dup(slot(w[0]))); }
static long op_dup2(char** w) { return keep(w[1], dup2(slot(w[0]), atoi(w[2]))); }
static long op_dup3(char** w) { return keep(w[1], dup3(slot(w[0]), atoi(w[2]), O_CLOEXEC)); }
static long op_onto(char** w) { return dup2(slot(w[0]), slot(w[1])); }
static long op_close(char** w) { return close(slot(w[0])); }
static long op_raw_close(char** w) { return syscall(SYS_close, slot(w[0])); }
static long op_closerange(char** w) {
  return syscall(SYS_close_range, slot(w[0]), slot(w[0]), 0);
}
static long op_lock(char** w) { return flock(slot(w[0]), LOCK_EX | LOCK_NB); }
static long op_seek(char** w) { return lseek(slot(w[0]), atol(w[1]), SEEK_SET); }
// What is left.
static long op_isopen(char** w) { return fcntl(slot(w[0]), F_GETFD) >= 0; }
static long op_fsize(char** w) {
  struct stat st;
  return fstat(slot(w[0]), &st) == 0 ? (long)st.st_size : -1;
}
static long op_at(char** w) { return lseek(slot(w[0]), 0, SEEK_CUR); }

const struct operation file_operations[] = {
    {"open", 2, 0, op_open},           {"openat", 3, 0, op_openat},
    {"openat2", 2, 0, op_openat2},     {"creat", 2, 0, op_creat},
    {"memfd", 1, 0, op_memfd},         {"pipe", 2, 0, op_pipe},
    {"write", 1, 0, op_write},         {"writev", 1, 0, op_writev},
    {"pwrite", 1, 0, op_pwrite},       {"pwritev", 1, 0, op_pwritev},
    {"pwritev2", 1, 0, op_pwritev2},   {"rawwrite", 1, 0, op_raw_write},
    {"stdio", 1, 0, op_stdio},         {"read", 1, 0, op_read},
    {"readv", 1, 0, op_readv},         {"pread", 1, 0, op_pread},
    {"preadv", 1, 0, op_preadv},       {"sendfile", 2, 0, op_sendfile},
    {"splice", 2, 0, op_splice},       {"copy", 2, 0, op_copy},
    {"fsync", 1, 0, op_fsync},         {"fdatasync", 1, 0, op_fdatasync},
    {"syncfs", 1, 0, op_syncfs},       {"sync", 0, 0, op_sync},
    {"syncrange", 1, 0, op_syncrange}, {"msync", 1, 0, op_msync},
    {"map", 1, 0, op_map},             {"ftruncate", 2, 0, op_ftruncate},
    {"fallocate", 2, 0, op_fallocate}, {"dup", 2, 0, op_dup},
    {"dup2", 3, 0, op_dup2},           {"dup3", 3, 0, op_dup3},
    {"onto", 2, 0, op_onto},           {"close", 1, 0, op_close},
    {"rawclose", 1, 0, op_raw_close},  {"closerange", 1, 0, op_closerange},
    {"lock", 1, 0, op_lock},           {"seek", 2, 0, op_seek},
    {"isopen", 1, 1, op_isopen},       {"fsize", 1, 1, op_fsize},
    {"at", 1, 1, op_at},               {NULL, 0, 0, NULL}};
