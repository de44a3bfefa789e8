#include "modp.h"

#include <openssl/bn.h>

#include <memory>

namespace esplanade {
namespace {

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

Number Read(Span octets) { return Number(BN_bin2bn(octets.data, static_cast<int>(octets.length), nullptr)); }

}  // namespace

bool ModpPower(Span modulus, Span base, Span exponent, uint8_t* result) {
  constexpr size_t kLongest = 1024;
  if (modulus.length == 0 || modulus.length > kLongest || base.length > kLongest || exponent.length > kLongest)
    return false;
  const std::unique_ptr<BN_CTX, FreeNumber> context(BN_CTX_new());
  const Number p = Read(modulus), b = Read(base), e = Read(exponent), r(BN_new());
  if (context == nullptr || p == nullptr || b == nullptr || e == nullptr || r == nullptr) return false;
  if (!BN_is_odd(p.get()) || BN_is_one(p.get())) return false;
  BN_set_flags(e.get(), BN_FLG_CONSTTIME);
  return BN_mod_exp_mont_consttime(r.get(), b.get(), e.get(), p.get(), context.get(), nullptr) == 1 &&
         BN_bn2binpad(r.get(), result, static_cast<int>(modulus.length)) == static_cast<int>(modulus.length);
}

}  // namespace esplanade
