// Byte classes of RFC 9110 and 9112 and the scans built on them: the inner loops of all parsers here.
//
// Each scan returns the first byte outside its class, or `end`, and never reads at or past `end`. Scans
// handle sixteen bytes at a time with SSE2 (always present on x86-64), eight with 64-bit arithmetic
// elsewhere. Names are short, so they use a table.
#ifndef SIDEROUTE_HTTP_SCAN_H_
#define SIDEROUTE_HTTP_SCAN_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sideroute::http {

enum ByteClass : uint8_t {
  kTchar = 1,        // RFC 9110 section 5.6.2
  kTargetByte = 2,   // visible except `#`, and every byte from 0x80
  kValueByte = 4,    // RFC 9110 section 5.5: HTAB, SP, VCHAR, obs-text
  kRegNameByte = 8,  // RFC 3986 section 3.2.2 without pct-encoded and comma
  kHexByte = 16,
  kDigitByte = 32,
};

namespace internal {

consteval std::array<uint8_t, 256> MakeByteClasses() {
  std::array<uint8_t, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    uint8_t bits = 0;
    const auto among = [c](std::string_view set) {
      return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (digit || alpha || among("!#$%&'*+-.^_`|~")) bits |= kTchar;
    if (c > 0x20 && c != 0x7f && c != '#') bits |= kTargetByte;
    if ((c >= 0x20 && c != 0x7f) || c == '\t') bits |= kValueByte;
    if (digit || alpha || among("-._~!$&'()*+;=")) bits |= kRegNameByte;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHexByte;
    if (digit) bits |= kDigitByte;
    table[c] = bits;
  }
  return table;
}

inline constexpr std::array<uint8_t, 256> kByteClasses = MakeByteClasses();

// Non-zero if some byte of the word is below `bound` (at most 0x80) or equals `byte`. Bytes above a hit may
// be reported too, which only makes the scan go on with its exact tail loop.
constexpr uint64_t Repeat(uint8_t byte) { return 0x0101010101010101ULL * byte; }
constexpr uint64_t AnyBelow(uint64_t word, uint8_t bound) {
  return (word - Repeat(bound)) & ~word & Repeat(0x80);
}
constexpr uint64_t AnyEqual(uint64_t word, uint8_t byte) { return AnyBelow(word ^ Repeat(byte), 1); }

inline uint64_t Load64(const char* p) noexcept {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

}  // namespace internal

[[nodiscard]] constexpr bool Is(char c, ByteClass byte_class) noexcept {
  return (internal::kByteClasses[static_cast<uint8_t>(c)] & byte_class) != 0;
}

[[nodiscard]] constexpr bool IsBlank(char c) noexcept { return c == ' ' || c == '\t'; }

// Skips letters, digits, `-` and `.`, sixteen at a time: most names and hosts consist of these, and both
// classes contain them. May stop early; the scans below continue byte by byte.
[[nodiscard]] inline const char* SkipPlain(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  const auto within = [](__m128i bytes, char first, char span) {
    const __m128i offset = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(span)), offset);
  };
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i letter = within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 25);
    const __m128i plain = _mm_or_si128(letter, _mm_or_si128(within(bytes, '0', 9), within(bytes, '-', 1)));
    const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(plain)) ^ 0xffffu;
    if (mask != 0) return p + std::countr_zero(mask);
  }
#else
  (void)end;
#endif
  return p;
}

[[nodiscard]] inline const char* SkipToken(const char* p, const char* end) noexcept {
  while (p != end && Is(*p, kTchar)) ++p;
  return p;
}

[[nodiscard]] inline const char* SkipBlanks(const char* p, const char* end) noexcept {
  while (p != end && IsBlank(*p)) ++p;
  return p;
}

[[nodiscard]] inline const char* SkipValue(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, highest_control), bytes);
    const __m128i stop =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control), _mm_cmpeq_epi8(bytes, del));
    const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
    if (mask != 0) return p + std::countr_zero(mask);
  }
#else
  for (; end - p >= 8; p += 8) {
    const uint64_t word = internal::Load64(p);
    if ((internal::AnyBelow(word, 0x20) | internal::AnyEqual(word, 0x7f)) != 0) break;
  }
#endif
  while (p != end && Is(*p, kValueByte)) ++p;
  return p;
}

[[nodiscard]] inline const char* SkipTarget(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i hash = _mm_set1_epi8('#');
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);
    const __m128i stop =
        _mm_or_si128(low, _mm_or_si128(_mm_cmpeq_epi8(bytes, hash), _mm_cmpeq_epi8(bytes, del)));
    const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
    if (mask != 0) return p + std::countr_zero(mask);
  }
#else
  for (; end - p >= 8; p += 8) {
    const uint64_t word = internal::Load64(p);
    if ((internal::AnyBelow(word, 0x21) | internal::AnyEqual(word, '#') | internal::AnyEqual(word, 0x7f)) !=
        0)
      break;
  }
#endif
  while (p != end && Is(*p, kTargetByte)) ++p;
  return p;
}

// Case-insensitive comparison of token bytes with a lower-case name of letters, digits and `-`. Setting bit
// 0x20 maps upper-case letters to lower case. It would also map some control characters to bytes of such a
// name, but a token holds no control characters.
[[nodiscard]] inline bool TokenEquals(std::string_view token, std::string_view lower) noexcept {
  if (token.size() != lower.size()) return false;
  const char* a = token.data();
  const char* b = lower.data();
  size_t n = token.size();
  if (n >= 8) {
    const uint64_t fold = internal::Repeat(0x20);
    const size_t last = n - 8;
    for (size_t i = 0; i < last; i += 8) {
      if ((internal::Load64(a + i) | fold) != internal::Load64(b + i)) return false;
    }
    return (internal::Load64(a + last) | fold) == internal::Load64(b + last);
  }
  for (size_t i = 0; i < n; ++i) {
    if ((a[i] | 0x20) != b[i]) return false;
  }
  return true;
}

// Case-insensitive comparison of two field names; `_` and `-` are different.
[[nodiscard]] inline bool NamesEqual(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_SCAN_H_
