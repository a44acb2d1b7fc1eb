// Header compression of one connection (RFC 7541), by nghttp2: an error in our own implementation would show
// only against another one.
//
// Stage before: head_writer and the frames of a connection. Stage after: the nghttp2 that is part of Node, so
// its fixes come with those of Node. Its functions are resolved in the running process, as those of libuv
// are. Nothing is linked; HpackBinding says whether all functions exist and come from one copy.
#ifndef SIDEROUTE_HTTP2_HPACK_H_
#define SIDEROUTE_HTTP2_HPACK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

struct nghttp2_hd_deflater;
struct nghttp2_hd_inflater;

namespace sideroute::http2 {

// Same layout as nghttp2_nv, which is part of nghttp2's ABI.
struct HeaderField {
  const char* name;
  const char* value;
  size_t name_length;
  size_t value_length;
  uint8_t flags;

  // NGHTTP2_NV_FLAG_NO_INDEX: the field is put into no table, here and on every later hop.
  static constexpr uint8_t kSensitive = 1;

  static HeaderField Of(std::string_view name, std::string_view value, bool sensitive = false) {
    return {name.data(), value.data(), name.size(), value.size(), sensitive ? kSensitive : uint8_t{0}};
  }
};

// The default of SETTINGS_HEADER_TABLE_SIZE, and the most that is used of a peer's setting.
inline constexpr uint32_t kHeaderTableBytes = 4096;

class HpackEncoder {
 public:
  HpackEncoder();
  HpackEncoder(const HpackEncoder&) = delete;
  HpackEncoder& operator=(const HpackEncoder&) = delete;
  ~HpackEncoder();

  // The peer's SETTINGS_HEADER_TABLE_SIZE.
  void SetTableSize(uint32_t bytes);
  // The maximum size of the header block of these fields, in bytes.
  size_t Bound(std::span<const HeaderField> fields) const;
  // Hot path. Writes the header block and returns its size in bytes. Names must be in lower case.
  size_t Encode(std::span<const HeaderField> fields, char* to, size_t room);

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

class HpackDecoder {
 public:
  HpackDecoder();
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;
  ~HpackDecoder();

  enum class Step : uint8_t { kField, kEnd, kError };

  // Takes a whole header block, which must outlive the calls of Next.
  void Start(std::string_view block) { rest_ = block; }
  // Hot path. Gives the next field, valid until the next call. After kError the connection cannot be used any
  // more.
  Step Next(std::string_view* name, std::string_view* value);
  // Whether the sender of the last field wants it in no table (RFC 7541 section 6.2.3).
  bool sensitive() const { return sensitive_; }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string_view rest_;
  bool sensitive_ = false;
};

struct HpackBinding {
  // Name of a function that does not exist; null if all exist.
  const char* missing = nullptr;
  // All functions are from the same file, `file`.
  bool one_copy = false;
  const char* file = "";
};
HpackBinding CheckHpackBinding();

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_HPACK_H_
