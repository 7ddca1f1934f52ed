// System calls that fail as on file systems that lack a feature. AMNET_FAIL names which fail and
// with what errno: "symlink=95 flock=38".
//   cc -shared -fPIC -o failing_calls.so failing_calls.c -ldl;  AMNET_FAIL=symlink=95 LD_PRELOAD=$PWD/failing_calls.so train_face ...
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int fails(const char* call) {
  const char* list = getenv("AMNET_FAIL");
  const size_t length = strlen(call);
  while (list && *list) {
    if (strncmp(list, call, length) == 0 && list[length] == '=') return errno = atoi(list + length + 1);
    list = strchr(list, ' ');
    if (list) ++list;
  }
  return 0;
}

#define REAL(result, name, ...) ((result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

static int is_folder(const char* path) {
  struct stat status;
  return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int symlink(const char* to, const char* path) { return fails("symlink") ? -1 : REAL(int, symlink, const char*, const char*)(to, path); }

int rename(const char* from, const char* to) {
  struct stat status;
  if (lstat(to, &status) == 0 && fails("rename_over")) return -1;
  if (is_folder(from) && fails("rename_folder")) return -1;
  return REAL(int, rename, const char*, const char*)(from, to);
}

int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  return fails("renameat2") ? -1 : REAL(int, renameat2, int, const char*, int, const char*, unsigned)(from_at, from, to_at, to, flags);
}

int fsync(int file) {
  struct stat status;
  const int folder = fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
  return fails(folder ? "fsync_folder" : "fsync_file") ? -1 : REAL(int, fsync, int)(file);
}

int flock(int file, int operation) { return fails("flock") ? -1 : REAL(int, flock, int, int)(file, operation); }

int statvfs(const char* path, struct statvfs* result) {
  if (fails("statvfs_zero")) {
    memset(result, 0, sizeof *result);
    return 0;
  }
  return fails("statvfs") ? -1 : REAL(int, statvfs, const char*, struct statvfs*)(path, result);
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  if (file >= 0 && (flags & MAP_SHARED) && fails("mmap")) return MAP_FAILED;
  return REAL(void*, mmap, void*, size_t, int, int, int, off_t)(address, length, protection, flags, file, offset);
}
