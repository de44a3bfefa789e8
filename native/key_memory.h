// Memory for keys: locked into RAM where the system allows it, left out of core dumps, wiped when a block is freed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace esplanade {

class KeyMemory {
 public:
  // Blocks are multiples of 64 octets and never larger than this.
  static constexpr size_t kLargestBlock = 4096;

  KeyMemory() = default;
  ~KeyMemory();
  KeyMemory(const KeyMemory&) = delete;
  KeyMemory& operator=(const KeyMemory&) = delete;

  // A zeroed block aligned to 64 octets; nullptr when the system has no memory left.
  void* Allocate(size_t length);
  // Wipes the block and takes it back. The block knows its owner.
  static void Free(void* block);

  size_t octets() const { return octets_; }
  // Octets of the above that the system allowed to be locked.
  size_t locked_octets() const { return locked_octets_; }

 private:
  struct Chunk;
  static constexpr size_t kUnit = 64;
  static constexpr size_t kClasses = kLargestBlock / kUnit;

  Chunk* NewChunk(size_t size_class);
  void Release(Chunk* chunk);

  // Chunks with at least one free block, by size class.
  Chunk* open_[kClasses] = {};
  // All chunks.
  Chunk* all_ = nullptr;
  size_t octets_ = 0;
  size_t locked_octets_ = 0;
};

struct WipeAndFree {
  template <class T>
  void operator()(T* object) const {
    object->~T();
    KeyMemory::Free(const_cast<std::remove_const_t<T>*>(object));
  }
};

// An object that holds keys. T must be the object's first base: its address is the block's.
template <class T>
using Secret = std::unique_ptr<T, WipeAndFree>;

template <class T, class... Arguments>
Secret<T> MakeSecret(KeyMemory& memory, Arguments&&... arguments) {
  static_assert(sizeof(T) <= KeyMemory::kLargestBlock);
  static_assert(alignof(T) <= 64);
  void* block = memory.Allocate(sizeof(T));
  if (block == nullptr) return nullptr;
  return Secret<T>(new (block) T(std::forward<Arguments>(arguments)...));
}

}  // namespace esplanade
