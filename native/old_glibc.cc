// Only in prebuilt addons, which bring their C++ library: what would make it ask for a newer glibc than Node itself does
// (2.28 for Node 20). exports.map keeps all of it inside.
#include <pthread.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace {
void* Allocate(size_t size) {
  void* memory = malloc(size == 0 ? 1 : size);
  if (memory == nullptr) abort();
  return memory;
}

enum : pthread_once_t { kFresh = PTHREAD_ONCE_INIT, kRunning, kDone };
}  // namespace

extern "C" {
// Since glibc 2.32; reference counts look at it. Ours says "threads", always.
char __libc_single_threaded = 0;

// Since glibc 2.35; libgcc's unwinder looks at it when something is thrown. "Not found": nothing is thrown.
int _dl_find_object(void*, void*) { return -1; }

// In glibc proper since 2.34. The C++ library takes the first as the sign that there are threads, and calls it never.
int __pthread_key_create(pthread_key_t*, void (*)(void*)) { return EAGAIN; }

int pthread_once(pthread_once_t* control, void (*work)()) {
  pthread_once_t fresh = kFresh;
  if (__atomic_compare_exchange_n(control, &fresh, kRunning, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    work();
    __atomic_store_n(control, kDone, __ATOMIC_RELEASE);
  }
  while (__atomic_load_n(control, __ATOMIC_ACQUIRE) != kDone) {
  }
  return 0;
}
}

// Nothing here catches (-fno-exceptions): a throw of the C++ library ends the process anyway.
namespace std {
[[noreturn]] void __throw_logic_error(const char*) { abort(); }
[[noreturn]] void __throw_length_error(const char*) { abort(); }
[[noreturn]] void __throw_out_of_range(const char*) { abort(); }
[[noreturn]] void __throw_out_of_range_fmt(const char*, ...) { abort(); }
[[noreturn]] void __throw_invalid_argument(const char*) { abort(); }
[[noreturn]] void __throw_bad_alloc() { abort(); }
[[noreturn]] void __throw_bad_array_new_length() { abort(); }
[[noreturn]] void __throw_bad_cast() { abort(); }
[[noreturn]] void __throw_bad_function_call() { abort(); }
[[noreturn]] void __throw_system_error(int) { abort(); }
}  // namespace std

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
