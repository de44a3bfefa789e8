// Keys by slot, and batches of rows sealed and opened in place. Knows nothing of Node: the C++ programs link it too.
#pragma once
#include <vector>

#include "cipher_key.h"

namespace esplanade {

// What of our own and of others' code may serve keys; the fastest that the CPU has is taken.
enum class Libraries { kAll, kWithoutVaes, kOpenSslOnly };

class Cipher {
 public:
  Cipher(uint8_t* slab, size_t slab_length, size_t capacity, Libraries use);
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  // Replaces (and wipes) a former key of the slot. False = no such slot, suite or key length: the slot is then empty.
  bool Install(size_t slot, const KeyMaterial& material);
  void Remove(size_t slot);
  // Rows whose verdict is 0, in order; failures become negative verdicts (src/core/ports.ts).
  void Seal(Row* rows, size_t count) { Run<Direction::kSeal>(rows, count); }
  void Open(Row* rows, size_t count) { Run<Direction::kOpen>(rows, count); }

  // "vaes", "ipsec-mb 1.3.0", "openssl 3.0.19", "own"; nullptr for an empty slot.
  const char* implementation(size_t slot) const;
  bool has_ipsec_mb() const { return ipsec_mb_ != nullptr; }
  bool has_vaes() const { return vaes_ != nullptr; }
  const KeyMemory& memory() const { return memory_; }
  CipherLibraries libraries() { return {memory_, openssl_, ipsec_mb_.get(), vaes_.get(), random_}; }

 private:
  template <Direction kDirection>
  void Run(Row* rows, size_t count);
  template <Direction kDirection>
  size_t RunTogether(Row* rows, size_t count);
  template <Direction kDirection>
  PacketKey* KeyOf(const Row& row, int32_t* failure) const;

  uint8_t* const slab_;
  const size_t slab_length_;
  // Order matters: keys die before the memory and the libraries they came from.
  KeyMemory memory_;
  OpenSsl openssl_;
  RandomPool random_;
  std::unique_ptr<IpsecMb> ipsec_mb_;
  std::unique_ptr<VaesGcm> vaes_;
  std::vector<Secret<PacketKey>> keys_;
};

}  // namespace esplanade
