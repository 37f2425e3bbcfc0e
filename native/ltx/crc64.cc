// CRC-64/GO-ISO has the reflected polynomial 0xD800000000000000 (x^64 + x^4 + x^3 + x + 1), and its
// initial value and final xor have all bits set. On an x86-64 processor with the instruction for
// carry-less multiplication, Crc64 uses this instruction and processes at least 10 GB/s. On any
// other processor, Crc64 uses tables and processes 16 bytes per step.
#include <cstring>

#include "ltx/ltx_codec.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define LITESTREAM_CRC_CLMUL 1
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace litestream {
namespace {

constexpr uint64_t kPolynomial = 0xD800000000000000ull;

struct Tables {
  uint64_t t[16][256];
  constexpr Tables() : t() {
    for (int i = 0; i < 256; i++) {
      uint64_t crc = uint64_t(i);
      for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
      t[0][i] = crc;
    }
    for (int k = 1; k < 16; k++) {
      for (int i = 0; i < 256; i++) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
    }
  }
};
const Tables kTables;  // immutable after the library is loaded

inline uint64_t LoadLe64(const uint8_t* p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  uint64_t v = 0;
  for (int i = 7; i >= 0; i--) v = (v << 8) | p[i];
  return v;
#else
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
#endif
}

// The argument `crc` and the result of UpdateByTables and UpdateByClmul are the bitwise complement
// of a CRC. Crc64 and Crc64Portable complement the CRC that they pass to UpdateByTables or
// UpdateByClmul, and complement the result again.
uint64_t UpdateByTables(uint64_t crc, const uint8_t* p, size_t size) {
  const auto& t = kTables.t;
  for (; size >= 16; p += 16, size -= 16) {
    const uint64_t a = LoadLe64(p) ^ crc;
    const uint64_t b = LoadLe64(p + 8);
    crc = t[15][a & 0xff] ^ t[14][(a >> 8) & 0xff] ^ t[13][(a >> 16) & 0xff] ^ t[12][(a >> 24) & 0xff] ^
          t[11][(a >> 32) & 0xff] ^ t[10][(a >> 40) & 0xff] ^ t[9][(a >> 48) & 0xff] ^ t[8][a >> 56] ^
          t[7][b & 0xff] ^ t[6][(b >> 8) & 0xff] ^ t[5][(b >> 16) & 0xff] ^ t[4][(b >> 24) & 0xff] ^
          t[3][(b >> 32) & 0xff] ^ t[2][(b >> 40) & 0xff] ^ t[1][(b >> 48) & 0xff] ^ t[0][b >> 56];
  }
  for (; size > 0; p++, size--) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
  return crc;
}

#ifdef LITESTREAM_CRC_CLMUL

// Returns x^n modulo the CRC polynomial, in the reflected form (bit 63 is x^0).
constexpr uint64_t PowerOfX(int n) {
  uint64_t v = 1ull << 63;
  for (; n > 0; n--) v = (v >> 1) ^ ((v & 1) ? kPolynomial : 0);
  return v;
}
// Fold multiplies the earlier half of the register `acc` by x^(64+n) and the later half by x^n,
// which moves `acc` ahead by n bits of the message. The constants for Fold have the exponents
// 64+n-1 and n-1, because the product of two reflected 64-bit numbers is shifted by one bit.
constexpr uint64_t kFold64Low = PowerOfX(64 + 512 - 1), kFold64High = PowerOfX(512 - 1);
constexpr uint64_t kFold16Low = PowerOfX(64 + 128 - 1), kFold16High = PowerOfX(128 - 1);

__attribute__((target("pclmul,sse4.1"))) inline __m128i Fold(__m128i acc, __m128i by, __m128i next) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(acc, by, 0x00), _mm_clmulepi64_si128(acc, by, 0x11)), next);
}

__attribute__((target("pclmul,sse4.1"))) uint64_t UpdateByClmul(uint64_t crc, const uint8_t* p, size_t size) {
  if (size < 128) return UpdateByTables(crc, p, size);
  const auto load = [](const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
  const __m128i by64 = _mm_set_epi64x(int64_t(kFold64High), int64_t(kFold64Low));
  const __m128i by16 = _mm_set_epi64x(int64_t(kFold16High), int64_t(kFold16Low));
  __m128i a = _mm_xor_si128(load(p), _mm_set_epi64x(0, int64_t(crc)));
  __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
  for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
    a = Fold(a, by64, load(p));
    b = Fold(b, by64, load(p + 16));
    c = Fold(c, by64, load(p + 32));
    d = Fold(d, by64, load(p + 48));
  }
  a = Fold(Fold(Fold(a, by16, b), by16, c), by16, d);
  for (; size >= 16; p += 16, size -= 16) a = Fold(a, by16, load(p));
  // The 16 bytes of `a` have the same CRC remainder as all bytes that Fold has merged into `a`.
  // UpdateByTables computes the CRC remainder of the 16 bytes of `a`.
  uint8_t rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), a);
  return UpdateByTables(UpdateByTables(0, rest, 16), p, size);
}

// Returns whether the processor has the instruction for carry-less multiplication. HasClmul
// executes the cpuid instruction, because __builtin_cpu_supports() needs a runtime library that
// some toolchains lack.
bool HasClmul() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_PCLMUL) != 0 && (ecx & bit_SSE4_1) != 0;
}
const bool kHasClmul = HasClmul();

#endif  // LITESTREAM_CRC_CLMUL

}  // namespace

uint64_t Crc64(uint64_t crc, const void* data, size_t size) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
#ifdef LITESTREAM_CRC_CLMUL
  if (kHasClmul) return ~UpdateByClmul(~crc, p, size);
#endif
  return ~UpdateByTables(~crc, p, size);
}

namespace {

// Returns the product of the polynomials `x` and `y` modulo the CRC polynomial, in the reflected
// form (bit 63 is x^0).
uint64_t Multiply(uint64_t x, uint64_t y) {
  uint64_t product = 0;
  for (uint64_t bit = 1ull << 63; bit != 0; bit >>= 1) {
    if (x & bit) product ^= y;
    y = (y >> 1) ^ ((y & 1) ? kPolynomial : 0);
  }
  return product;
}

// Returns x^(8 * bytes) modulo the CRC polynomial. If `bytes` zero bytes are appended to a message,
// the CRC remainder of the message is multiplied by x^(8 * bytes).
uint64_t ShiftBy(uint64_t bytes) {
  uint64_t shift = 1ull << 63, square = 1ull << (63 - 8);
  for (; bytes != 0; bytes >>= 1) {
    if (bytes & 1) shift = Multiply(shift, square);
    square = Multiply(square, square);
  }
  return shift;
}

}  // namespace

// CombineCrc64 need not invert `a` and `b`, because the xor of the two CRCs cancels their initial
// and final inversions.
uint64_t CombineCrc64(uint64_t a, uint64_t b, uint64_t b_length) { return Multiply(ShiftBy(b_length), a) ^ b; }

// Computes the tables in which operator() looks up products. Multiplication modulo the CRC
// polynomial is linear, so the product of a byte is the xor of the products of the byte's bits.
Crc64Append::Crc64Append(uint64_t b_length) {
  const uint64_t shift = ShiftBy(b_length);
  for (int byte = 0; byte < 8; byte++) {
    uint64_t* row = shifted_[byte];
    row[0] = 0;
    for (int bit = 0; bit < 8; bit++) {
      const uint64_t one = Multiply(shift, 1ull << (8 * byte + bit));
      for (int below = 0; below < (1 << bit); below++) row[(1 << bit) + below] = row[below] ^ one;
    }
  }
}

uint64_t Crc64Append::operator()(uint64_t a, uint64_t b) const {
  for (int byte = 0; byte < 8; byte++, a >>= 8) b ^= shifted_[byte][a & 0xff];
  return b;
}

uint64_t Crc64Portable(uint64_t crc, const void* data, size_t size) {
  return ~UpdateByTables(~crc, static_cast<const uint8_t*>(data), size);
}

}  // namespace litestream
