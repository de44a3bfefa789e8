#include "key_memory.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <cassert>

namespace esplanade {
namespace {

constexpr size_t kChunkLength = 64 * 1024;

struct FreeBlock {
  FreeBlock* next;
};

// Memory whose address is a multiple of its length, so that a block's address tells its chunk.
void* MapAligned() {
  void* wide = mmap(nullptr, 2 * kChunkLength, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (wide == MAP_FAILED) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(wide);
  const uintptr_t aligned = (start + kChunkLength - 1) & ~(kChunkLength - 1);
  if (aligned > start) munmap(wide, aligned - start);
  const uintptr_t end = start + 2 * kChunkLength;
  if (end > aligned + kChunkLength)
    munmap(reinterpret_cast<void*>(aligned + kChunkLength), end - aligned - kChunkLength);
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

struct alignas(64) KeyMemory::Chunk {
  KeyMemory* owner;
  FreeBlock* free;
  // Neighbours among the chunks of the class that have a free block.
  Chunk* next_open;
  Chunk* previous_open;
  // Neighbours among all chunks.
  Chunk* next;
  Chunk* previous;
  uint32_t size_class;
  uint32_t used;
  bool is_open;
  bool locked;
};

KeyMemory::~KeyMemory() {
  while (all_ != nullptr) Release(all_);
}

KeyMemory::Chunk* KeyMemory::NewChunk(size_t size_class) {
  void* memory = MapAligned();
  if (memory == nullptr) return nullptr;
  // Best effort: RLIMIT_MEMLOCK may forbid it; locked_octets() tells.
  const bool locked = mlock(memory, kChunkLength) == 0;
  madvise(memory, kChunkLength, MADV_DONTDUMP);
  // Programs we start get no copy, not even until their exec.
  madvise(memory, kChunkLength, MADV_DONTFORK);
  octets_ += kChunkLength;
  if (locked) locked_octets_ += kChunkLength;

  static_assert(sizeof(Chunk) % kUnit == 0);
  Chunk* chunk = new (memory) Chunk{};
  chunk->owner = this;
  chunk->size_class = static_cast<uint32_t>(size_class);
  chunk->locked = locked;
  const size_t length = (size_class + 1) * kUnit;
  uint8_t* base = static_cast<uint8_t*>(memory);
  for (size_t at = sizeof(Chunk); at + length <= kChunkLength; at += length) {
    FreeBlock* block = new (base + at) FreeBlock{chunk->free};
    chunk->free = block;
  }
  chunk->next = all_;
  if (all_ != nullptr) all_->previous = chunk;
  all_ = chunk;
  chunk->next_open = open_[size_class];
  if (open_[size_class] != nullptr) open_[size_class]->previous_open = chunk;
  open_[size_class] = chunk;
  chunk->is_open = true;
  return chunk;
}

void KeyMemory::Release(Chunk* chunk) {
  if (chunk->next != nullptr) chunk->next->previous = chunk->previous;
  if (chunk->previous != nullptr) chunk->previous->next = chunk->next;
  if (all_ == chunk) all_ = chunk->next;
  if (chunk->is_open) {
    if (chunk->next_open != nullptr) chunk->next_open->previous_open = chunk->previous_open;
    if (chunk->previous_open != nullptr) chunk->previous_open->next_open = chunk->next_open;
    if (open_[chunk->size_class] == chunk) open_[chunk->size_class] = chunk->next_open;
  }
  octets_ -= kChunkLength;
  if (chunk->locked) locked_octets_ -= kChunkLength;
  OPENSSL_cleanse(chunk, kChunkLength);
  munmap(chunk, kChunkLength);
}

void* KeyMemory::Allocate(size_t length) {
  assert(length > 0 && length <= kLargestBlock);
  const size_t size_class = (length - 1) / kUnit;
  Chunk* chunk = open_[size_class];
  if (chunk == nullptr) chunk = NewChunk(size_class);
  if (chunk == nullptr) return nullptr;
  FreeBlock* block = chunk->free;
  chunk->free = block->next;
  block->next = nullptr;
  chunk->used++;
  if (chunk->free == nullptr) {
    open_[size_class] = chunk->next_open;
    if (chunk->next_open != nullptr) chunk->next_open->previous_open = nullptr;
    chunk->next_open = nullptr;
    chunk->is_open = false;
  }
  return block;
}

void KeyMemory::Free(void* block) {
  Chunk* chunk = reinterpret_cast<Chunk*>(reinterpret_cast<uintptr_t>(block) & ~(kChunkLength - 1));
  KeyMemory* owner = chunk->owner;
  OPENSSL_cleanse(block, (chunk->size_class + 1) * kUnit);
  chunk->free = new (block) FreeBlock{chunk->free};
  chunk->used--;
  if (!chunk->is_open) {
    Chunk*& head = owner->open_[chunk->size_class];
    chunk->previous_open = nullptr;
    chunk->next_open = head;
    if (head != nullptr) head->previous_open = chunk;
    head = chunk;
    chunk->is_open = true;
  }
  // One empty chunk a class stays, so that a rekey does not map and unmap.
  const bool another = chunk->next_open != nullptr || chunk->previous_open != nullptr;
  if (chunk->used == 0 && another) owner->Release(chunk);
}

}  // namespace esplanade
