// Preloaded into a process: counts the calls that litestream.node itself makes to what allocates, locks, waits or enters the kernel.
// The same library is a loadable extension whose call_counts() tells the counts so far, as JSON, and begins anew. The list is that of
// `nm -D --undefined-only litestream.node`: what is not on it the addon cannot call. Calls are told from others by the address that
// they return to. Linux, x86-64 or arm64, glibc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

enum { kAllocations, kFrees, kLocks, kWaits, kSystemCalls, kKinds };
static const char *const names[kKinds] = {"allocations", "frees", "locks", "waits", "systemCalls"};

// Of the thread that asks for them: the worker's are its own business.
static __thread long counts[kKinds];
static uintptr_t first, last;  // the addon's code; 0 until it was looked for

static int Find(struct dl_phdr_info *info, size_t size, void *found) {
  (void)size;
  if (strstr(info->dlpi_name, "litestream.node") == NULL) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    first = info->dlpi_addr + header->p_vaddr;
    last = first + header->p_memsz;
  }
  *(int *)found = 1;
  return 1;
}

static void Count(int kind, void *caller) {
  uintptr_t at = (uintptr_t)caller;
  if (at >= first && at < last) counts[kind]++;
}

// Each symbol of the addon's is replaced by one that counts and hands on to the one that would have been called.
#define HAND_ON(kind, type, name, parameters, arguments)                \
  type name parameters;                                                 \
  type name parameters {                                                \
    static type(*next) parameters;                                      \
    if (next == NULL) next = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    Count(kind, __builtin_return_address(0));                           \
    return next arguments;                                              \
  }

// dlsym() itself allocates: these have names of their own in glibc.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), __libc_free(void *);
void *malloc(size_t size) {
  Count(kAllocations, __builtin_return_address(0));
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  Count(kAllocations, __builtin_return_address(0));
  return __libc_calloc(count, size);
}
void free(void *memory) {
  Count(kFrees, __builtin_return_address(0));
  __libc_free(memory);
}
HAND_ON(kAllocations, void *, _Znwm, (size_t size), (size))
HAND_ON(kAllocations, void *, _Znam, (size_t size), (size))
HAND_ON(kAllocations, void *, _ZnwmSt11align_val_t, (size_t size, size_t align), (size, align))
HAND_ON(kLocks, int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
HAND_ON(kWaits, int, pthread_cond_clockwait,
        (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
        (condition, mutex, clock, until))
HAND_ON(kSystemCalls, int, sched_yield, (void), ())
HAND_ON(kSystemCalls, ssize_t, pwrite64, (int file, const void *bytes, size_t size, __off64_t at), (file, bytes, size, at))
HAND_ON(kSystemCalls, int, flock, (int file, int operation), (file, operation))
HAND_ON(kSystemCalls, int, fsync, (int file), (file))
HAND_ON(kSystemCalls, int, ftruncate64, (int file, __off64_t size), (file, size))
HAND_ON(kSystemCalls, int, munmap, (void *address, size_t size), (address, size))

static void CallCounts(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  int found = 0;
  dl_iterate_phdr(Find, &found);
  char text[256] = "{";
  for (int i = 0; i < kKinds; i++) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s\"%s\":%ld", i == 0 ? "" : ",", names[i], counts[i]);
    counts[i] = 0;
  }
  strcat(text, "}");
  if (found) sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  else sqlite3_result_error(context, "litestream.node is not loaded", -1);
}

int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  (void)error;
  SQLITE_EXTENSION_INIT2(api);
  return sqlite3_create_function(db, "call_counts", 0, SQLITE_UTF8, NULL, CallCounts, NULL, NULL);
}
