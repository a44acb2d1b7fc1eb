#include "http2/stream.h"

#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "http2/connection.h"

namespace sideroute::http2 {

#if !defined(__SANITIZE_ADDRESS__)

namespace {

// Free memory blocks for both kinds of streams, sorted by size in units.
class StreamMemory {
 public:
  StreamMemory() = default;
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;
  ~StreamMemory() {
    for (Shelf& shelf : shelves_) {
      while (shelf.first != nullptr) ::operator delete(std::exchange(shelf.first, shelf.first->next));
    }
  }

  void* Take(size_t size) {
    Shelf* const shelf = ShelfOf(size);
    if (shelf == nullptr || shelf->first == nullptr) return ::operator new(Units(size) * kUnit);
    --shelf->count;
    return std::exchange(shelf->first, shelf->first->next);
  }
  void Give(void* memory, size_t size) {
    Shelf* const shelf = ShelfOf(size);
    if (shelf == nullptr || shelf->count >= kMost) return ::operator delete(memory);
    ++shelf->count;
    shelf->first = new (memory) Free{shelf->first};
  }

 private:
  static constexpr size_t kUnit = 64;
  static constexpr size_t kShelves = 32;
  static constexpr size_t kMost = 256;
  struct Free {
    Free* next;
  };
  struct Shelf {
    Free* first = nullptr;
    size_t count = 0;
  };
  static size_t Units(size_t size) { return (size + kUnit - 1) / kUnit; }
  // Null: the size is too large for any shelf.
  Shelf* ShelfOf(size_t size) { return Units(size) < kShelves ? &shelves_[Units(size)] : nullptr; }

  std::array<Shelf, kShelves> shelves_;
};

thread_local StreamMemory stream_memory;

}  // namespace

void* Stream::operator new(size_t size) { return stream_memory.Take(size); }
void Stream::operator delete(void* memory, size_t size) { stream_memory.Give(memory, size); }

#else

void* Stream::operator new(size_t size) { return ::operator new(size); }
void Stream::operator delete(void* memory, size_t) { ::operator delete(memory); }

#endif

Stream::Stream(Connection& connection, BlockPool& blocks, uint32_t id)
    : connection_(connection),
      id_(id),
      send_window_(connection.initial_send_window()),
      in_(blocks),
      out_(blocks) {}

// Hot path.
void Stream::Receive(char* bytes, size_t length) {
  if (length == 0) return;
  if (!in_.empty()) {
    in_.Append(bytes, length);
    connection_.Hold(static_cast<int64_t>(length));
  } else if (span_.empty()) {
    span_ = {bytes, length};
  } else {
    // Moved over the frame headers in between, so that everything received in one read is passed on together.
    std::memmove(const_cast<char*>(span_.data()) + span_.size(), bytes, length);
    span_ = {span_.data(), span_.size() + length};
  }
}

void Stream::KeepSpan() {
  if (span_.empty()) return;
  in_.Append(span_);
  connection_.Hold(static_cast<int64_t>(span_.size()));
  span_ = {};
}

bool Stream::EndRemote() {
  remote_ended_ = true;
  return !counts_ || length_left_ == 0;
}

// Hot path.
ReadResult Stream::ReadPiece(BodyPiece* piece) {
  *piece = {};
  if (reset_) return fault_.empty() ? ReadResult::kReset : ReadResult::kMalformed;
  const std::string_view bytes = in_.empty() ? span_ : in_.view();
  if (bytes.empty()) {
    if (!remote_ended_ || end_given_) return ReadResult::kAgain;
    end_given_ = true;
    if (tunnel_) return ReadResult::kEnded;
  }
  piece->bytes = bytes;
  piece->wire_bytes = given_ = bytes.size();
  if (!remote_ended_ || tunnel_) return ReadResult::kGiven;
  end_given_ = piece->last = true;
  piece->trailers = trailers_in_.view();
  return ReadResult::kGiven;
}

// Hot path.
void Stream::TookPiece() {
  if (given_ == 0) return;
  if (in_.empty()) {
    span_.remove_prefix(given_);
  } else {
    in_.Consume(given_);
    connection_.Hold(-static_cast<int64_t>(given_));
  }
  uncredited_ += static_cast<uint32_t>(given_);
  given_ = 0;
  connection_.Credit(*this);
}

void Stream::KeptFields::Keep(const Trailers& trailers) {
  bytes.clear();
  fields.clear();
  for (http::Field field : trailers.fields) {
    if (field.drop()) continue;
    const auto at = static_cast<uint32_t>(bytes.size());
    bytes += field.Name(trailers.data);
    const auto value = static_cast<uint32_t>(bytes.size());
    bytes += field.Value(trailers.data);
    field.name_offset = at;
    field.value_offset = value;
    fields.push_back(field);
  }
}

void Stream::KeepTrailers(const Trailers& trailers) { trailers_in_.Keep(trailers); }

// Hot path.
size_t Stream::SendPiece(const BodyPiece& piece) {
  if (reset_ || local_ended_ || end_waits_) return 0;
  bool has_trailers = false;
  if (piece.last) {
    for (const http::Field& field : piece.trailers.fields) has_trailers = has_trailers || !field.drop();
  }
  std::string_view rest = piece.bytes;
  if (out_.empty()) rest.remove_prefix(connection_.AddData(*this, rest, piece.last && !has_trailers));
  if (!rest.empty()) {
    if (out_.empty()) {
      blocked_since_ms_ = connection_.now_ms();
      connection_.Await(*this);
    }
    out_.Append(rest);
  }
  if (!piece.last || local_ended_) return piece.bytes.size();
  if (out_.empty()) {
    Conclude(piece.trailers);
  } else {
    end_waits_ = true;
    trailers_out_.Keep(piece.trailers);
  }
  return piece.bytes.size();
}

void Stream::SendLast() {
  BodyPiece nothing;
  nothing.last = true;
  SendPiece(nothing);
}

void Stream::Conclude(const Trailers& trailers) {
  end_waits_ = false;
  if (trailers.fields.empty()) {
    connection_.AddData(*this, {}, true);
  } else {
    local_ended_ = true;
    connection_.AddTrailers(*this, trailers);
  }
}

bool Stream::Pump() {
  if (out_.empty()) return false;
  const bool last = end_waits_ && trailers_out_.fields.empty();
  const size_t sent = connection_.AddData(*this, out_.view(), last);
  if (sent > 0) {
    blocked_since_ms_ = connection_.now_ms();
    out_.Consume(sent);
  }
  if (!out_.empty()) return false;
  if (end_waits_ && !local_ended_) Conclude(trailers_out_.view());
  return true;
}

void Stream::MarkReset(ErrorCode code) {
  if (reset_) return;
  reset_ = true;
  code_ = code;
  connection_.Hold(-static_cast<int64_t>(in_.size()));
  in_.Clear();
  out_.Clear();
  span_ = {};
  given_ = 0;
  Unlink();
}

}  // namespace sideroute::http2
