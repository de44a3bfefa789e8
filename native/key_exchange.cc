#include "key_exchange.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <cstring>
#include <memory>

namespace esplanade {
namespace {

// OpenSSL's errors stay here: Node takes what lies in its queue for errors of its own calls.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

struct Free {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
  void operator()(EC_GROUP* group) const { EC_GROUP_free(group); }
  void operator()(EC_POINT* point) const { EC_POINT_clear_free(point); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

struct Curve {
  int32_t method;
  // OpenSSL's: of the curve, or of the key type.
  int nid;
  // RFC 7748's, whose scalars and coordinates are octets without further form.
  bool montgomery;
  CurveSizes sizes;
};

constexpr Curve kCurves[] = {
    {19, NID_X9_62_prime256v1, false, {32, 64, 32}},
    {20, NID_secp384r1, false, {48, 96, 48}},
    {21, NID_secp521r1, false, {66, 132, 66}},
    {28, NID_brainpoolP256r1, false, {32, 64, 32}},
    {29, NID_brainpoolP384r1, false, {48, 96, 48}},
    {30, NID_brainpoolP512r1, false, {64, 128, 64}},
    {31, EVP_PKEY_X25519, true, {32, 32, 32}},
    {32, EVP_PKEY_X448, true, {56, 56, 56}},
};
constexpr size_t kLargestPublicValue = 132;
constexpr uint8_t kUncompressed = 4;

const Curve* CurveOf(int32_t method) {
  for (const Curve& curve : kCurves)
    if (curve.method == method) return &curve;
  return nullptr;
}

bool IsZero(const uint8_t* octets, size_t length) {
  uint8_t any = 0;
  for (size_t i = 0; i < length; i++) any |= octets[i];
  return any == 0;
}

Owned<EVP_PKEY> PrivateKey(const Curve& curve, const uint8_t* octets) {
  return Owned<EVP_PKEY>(EVP_PKEY_new_raw_private_key(curve.nid, nullptr, octets, curve.sizes.private_key));
}

CurveOutcome MontgomeryPublic(const Curve& curve, const uint8_t* private_key, uint8_t* public_value) {
  const Owned<EVP_PKEY> key = PrivateKey(curve, private_key);
  size_t length = curve.sizes.public_value;
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), public_value, &length) != 1) return CurveOutcome::kFailed;
  return CurveOutcome::kDone;
}

CurveOutcome MontgomerySecret(const Curve& curve, const uint8_t* private_key, const uint8_t* public_value,
                              uint8_t* shared) {
  const Owned<EVP_PKEY> key = PrivateKey(curve, private_key);
  const Owned<EVP_PKEY> peer(
      EVP_PKEY_new_raw_public_key(curve.nid, nullptr, public_value, curve.sizes.public_value));
  if (key == nullptr || peer == nullptr) return CurveOutcome::kFailed;
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1)
    return CurveOutcome::kFailed;
  // RFC 7748 §6: any value of the right length is one of the curve's, and only those of small order give zeros.
  size_t length = curve.sizes.shared;
  if (EVP_PKEY_derive(context.get(), shared, &length) != 1 || IsZero(shared, curve.sizes.shared))
    return CurveOutcome::kBadPublicValue;
  return CurveOutcome::kDone;
}

// What a calculation on a prime curve needs. The private key is in 1 … order - 1, or `Complete` is false.
struct PrimeCurve {
  PrimeCurve(const Curve& curve, const uint8_t* private_key)
      : group(EC_GROUP_new_by_curve_name(curve.nid)),
        context(BN_CTX_new()),
        scalar(BN_bin2bn(private_key, static_cast<int>(curve.sizes.private_key), nullptr)),
        result(group == nullptr ? nullptr : EC_POINT_new(group.get())) {
    if (scalar != nullptr) BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
  }

  bool Complete() const {
    return context != nullptr && scalar != nullptr && result != nullptr && !BN_is_zero(scalar.get()) &&
           BN_ucmp(scalar.get(), EC_GROUP_get0_order(group.get())) < 0;
  }

  const Owned<EC_GROUP> group;
  const Owned<BN_CTX> context;
  const Owned<BIGNUM> scalar;
  const Owned<EC_POINT> result;
};

CurveOutcome PrimePublic(const Curve& curve, const uint8_t* private_key, uint8_t* public_value) {
  const PrimeCurve on(curve, private_key);
  uint8_t point[1 + kLargestPublicValue];
  const size_t length = 1 + curve.sizes.public_value;
  if (!on.Complete() ||
      EC_POINT_mul(on.group.get(), on.result.get(), on.scalar.get(), nullptr, nullptr, on.context.get()) != 1 ||
      EC_POINT_point2oct(on.group.get(), on.result.get(), POINT_CONVERSION_UNCOMPRESSED, point, length,
                         on.context.get()) != length)
    return CurveOutcome::kFailed;
  memcpy(public_value, point + 1, curve.sizes.public_value);
  return CurveOutcome::kDone;
}

CurveOutcome PrimeSecret(const Curve& curve, const uint8_t* private_key, const uint8_t* public_value,
                         uint8_t* shared) {
  const PrimeCurve on(curve, private_key);
  const Owned<EC_POINT> peer(on.group == nullptr ? nullptr : EC_POINT_new(on.group.get()));
  const Owned<BIGNUM> x(BN_new());
  if (!on.Complete() || peer == nullptr || x == nullptr) return CurveOutcome::kFailed;
  uint8_t point[1 + kLargestPublicValue];
  point[0] = kUncompressed;
  memcpy(point + 1, public_value, curve.sizes.public_value);
  // RFC 6989 §2.3: it takes coordinates below p that are on the curve. All these curves have cofactor 1, so that every
  // such point has the order of the base point.
  if (EC_POINT_oct2point(on.group.get(), peer.get(), point, 1 + curve.sizes.public_value, on.context.get()) != 1)
    return CurveOutcome::kBadPublicValue;
  const int length = static_cast<int>(curve.sizes.shared);
  if (EC_POINT_mul(on.group.get(), on.result.get(), nullptr, peer.get(), on.scalar.get(), on.context.get()) != 1 ||
      EC_POINT_get_affine_coordinates(on.group.get(), on.result.get(), x.get(), nullptr, on.context.get()) != 1 ||
      BN_bn2binpad(x.get(), shared, length) != length)
    return CurveOutcome::kFailed;
  return CurveOutcome::kDone;
}

}  // namespace

const CurveSizes* SizesOfCurve(int32_t method) {
  const Curve* curve = CurveOf(method);
  return curve == nullptr ? nullptr : &curve->sizes;
}

CurveOutcome PublicOfCurve(int32_t method, const uint8_t* private_key, uint8_t* public_value) {
  const ErrorScope errors;
  const Curve* curve = CurveOf(method);
  if (curve == nullptr) return CurveOutcome::kFailed;
  return curve->montgomery ? MontgomeryPublic(*curve, private_key, public_value)
                           : PrimePublic(*curve, private_key, public_value);
}

CurveOutcome SecretOfCurve(int32_t method, const uint8_t* private_key, const uint8_t* public_value, uint8_t* shared) {
  const ErrorScope errors;
  const Curve* curve = CurveOf(method);
  if (curve == nullptr) return CurveOutcome::kFailed;
  const CurveOutcome outcome = curve->montgomery ? MontgomerySecret(*curve, private_key, public_value, shared)
                                                 : PrimeSecret(*curve, private_key, public_value, shared);
  if (outcome != CurveOutcome::kDone) OPENSSL_cleanse(shared, curve->sizes.shared);
  return outcome;
}

}  // namespace esplanade
