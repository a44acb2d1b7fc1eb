// Header compression of one connection (RFC 7541), by nghttp2: of all of HTTP/2 the part that only one other
// implementation can check.
//
// Stage before: head_writer and the frames of a connection. Stage after: nghttp2 as it is within Node, whose
// fixes come with those of Node. Its functions are bound to those that the process has, as those of libuv
// are; nothing is linked, and HpackBinding says whether they are there, all of one copy.
#ifndef SIDEROUTE_HTTP2_HPACK_H_
#define SIDEROUTE_HTTP2_HPACK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

struct nghttp2_hd_deflater;
struct nghttp2_hd_inflater;

namespace sideroute::http2 {

// As nghttp2_nv, whose layout is part of its ABI.
struct HeaderField {
  const char* name;
  const char* value;
  size_t name_length;
  size_t value_length;
  uint8_t flags;

  // NGHTTP2_NV_FLAG_NO_INDEX: in no table, here and on every hop behind.
  static constexpr uint8_t kSensitive = 1;

  static HeaderField Of(std::string_view name, std::string_view value, bool sensitive = false) {
    return {name.data(), value.data(), name.size(), value.size(), sensitive ? kSensitive : uint8_t{0}};
  }
};

// What SETTINGS_HEADER_TABLE_SIZE is until a peer says otherwise, and the most that is used of it.
inline constexpr uint32_t kHeaderTableBytes = 4096;

class HpackEncoder {
 public:
  HpackEncoder();
  HpackEncoder(const HpackEncoder&) = delete;
  HpackEncoder& operator=(const HpackEncoder&) = delete;
  ~HpackEncoder();

  // The peer's SETTINGS_HEADER_TABLE_SIZE.
  void SetTableSize(uint32_t bytes);
  // The most that the header block of these fields can take.
  size_t Bound(std::span<const HeaderField> fields) const;
  // Hot path. Writes the header block: how many bytes. Names are in lower case.
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

  // A whole header block, which must outlive the steps.
  void Start(std::string_view block) { rest_ = block; }
  // Hot path. The next field; good until the next step. After kError the connection is of no use.
  Step Next(std::string_view* name, std::string_view* value);
  // Of the field that was given last: its sender wants it in no table (RFC 7541 section 6.2.3).
  bool sensitive() const { return sensitive_; }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string_view rest_;
  bool sensitive_ = false;
};

struct HpackBinding {
  // Null: all functions are there. The name of one that is not.
  const char* missing = nullptr;
  // They are all of the same file, which is this one.
  bool one_copy = false;
  const char* file = "";
};
HpackBinding CheckHpackBinding();

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_HPACK_H_
