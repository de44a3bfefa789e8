#include "cipher.h"

namespace esplanade {

Cipher::Cipher(uint8_t* slab, size_t slab_length, size_t capacity, Libraries use)
    : slab_(slab), slab_length_(slab_length), keys_(capacity) {
  if (use != Libraries::kOpenSslOnly) ipsec_mb_ = IpsecMb::Make(openssl_, memory_);
  // With AVX-512 ipsec-mb's are twice as wide.
  const bool wider = ipsec_mb_ != nullptr && ipsec_mb_->has_avx512();
  if (use == Libraries::kAll && !wider) vaes_ = VaesGcm::Make(openssl_, memory_);
}

bool Cipher::Install(size_t slot, const KeyMaterial& material) {
  if (slot >= keys_.size()) return false;
  keys_[slot] = nullptr;
  CipherLibraries with = libraries();
  keys_[slot] = MakePacketKey(with, material);
  return keys_[slot] != nullptr;
}

void Cipher::Remove(size_t slot) {
  if (slot < keys_.size()) keys_[slot] = nullptr;
}

const char* Cipher::implementation(size_t slot) const {
  return slot < keys_.size() && keys_[slot] != nullptr ? keys_[slot]->implementation() : nullptr;
}

template <Direction kDirection>
PacketKey* Cipher::KeyOf(const Row& row, int32_t* failure) const {
  *failure = kDropNoKey;
  // A negative slot becomes a huge one.
  const size_t slot = static_cast<uint32_t>(row.slot);
  if (slot >= keys_.size()) return nullptr;
  PacketKey* key = keys_[slot].get();
  if (key == nullptr || key->direction() != kDirection) return nullptr;
  *failure = kDropTooShort;
  return key->Fits(row, slab_length_) ? key : nullptr;
}

// Takes the rows from the first on that jobs of one kind can serve together. Returns how many rows it settled; 0 = the
// run is too short for that.
template <Direction kDirection>
size_t Cipher::RunTogether(Row* rows, size_t count) {
  PacketKey* members[kMultiBufferMost];
  Row* member_rows[kMultiBufferMost];
  size_t members_count = 0;
  size_t rows_count = 0;
  const MultiBufferKey* kind = nullptr;
  for (; rows_count < count && members_count < kMultiBufferMost; rows_count++) {
    Row& row = rows[rows_count];
    if (row.verdict != 0) continue;
    int32_t failure;
    PacketKey* key = KeyOf<kDirection>(row, &failure);
    if (key == nullptr) break;
    const MultiBufferKey* jobs_key = key->multi_buffer();
    // An empty packet is no job.
    if (jobs_key == nullptr || row.crypt_length == 0 || (kind != nullptr && !kind->SameKind(*jobs_key))) break;
    kind = jobs_key;
    members[members_count] = key;
    member_rows[members_count] = &row;
    members_count++;
  }
  if (members_count < kMultiBufferLeast) return 0;

  MultiBufferJob jobs[kMultiBufferMost];
  Row* job_rows[kMultiBufferMost];
  size_t job_count = 0;
  for (size_t i = 0; i < members_count; i++) {
    if (members[i]->Prepare(slab_, *member_rows[i], &jobs[job_count]))
      job_rows[job_count++] = member_rows[i];
    else
      member_rows[i]->verdict = kDropNonceReuse;
  }
  if (job_count == 0) return rows_count;
  if (kDirection == Direction::kSeal)
    ipsec_mb_->Seal(jobs, job_count);
  else
    ipsec_mb_->Open(jobs, job_count);
  for (size_t i = 0; i < job_count; i++) {
    if (!jobs[i].ok) job_rows[i]->verdict = kDirection == Direction::kSeal ? kDropNoKey : kDropIcvMismatch;
  }
  return rows_count;
}

template <Direction kDirection>
void Cipher::Run(Row* rows, size_t count) {
  // Before this row no attempt at a run is worth it: the last one found too few.
  size_t no_run_before = 0;
  for (size_t i = 0; i < count;) {
    Row& row = rows[i];
    if (row.verdict != 0) {
      i++;
      continue;
    }
    if (i + 1 < count) {
      const Row& next = rows[i + 1];
      if (static_cast<uint32_t>(next.slot) < keys_.size()) __builtin_prefetch(keys_[next.slot].get());
      if (static_cast<uint32_t>(next.crypt_offset) < slab_length_) __builtin_prefetch(slab_ + next.crypt_offset);
    }
    PacketKey* key = KeyOf<kDirection>(row, &row.verdict);
    if (key == nullptr) {
      i++;
      continue;
    }
    row.verdict = 0;
    if (i >= no_run_before && count - i >= kMultiBufferLeast && key->multi_buffer() != nullptr) {
      const size_t settled = RunTogether<kDirection>(rows + i, count - i);
      if (settled != 0) {
        i += settled;
        continue;
      }
      no_run_before = i + kMultiBufferLeast / 2;
    }
    row.verdict = kDirection == Direction::kSeal ? key->Seal(slab_, row) : key->Open(slab_, row);
    i++;
  }
}

template void Cipher::Run<Direction::kSeal>(Row*, size_t);
template void Cipher::Run<Direction::kOpen>(Row*, size_t);

}  // namespace esplanade
