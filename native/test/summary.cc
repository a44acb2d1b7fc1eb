#include "summary.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

namespace sideroute::test {
namespace {

using http1::BodyEvent;
using http1::BodyKind;
using http1::Error;
using http1::Field;
using http1::ParseStatus;

constexpr size_t kStorage = 256;

// A view of the first `length` bytes of `input`; in a separate block if `exact`.
class Read {
 public:
  Read(std::string_view input, bool exact) : view_(input) {
    if (!exact) return;
    block_ = std::make_unique_for_overwrite<char[]>(input.size());
    std::memcpy(block_.get(), input.data(), input.size());
    view_ = {block_.get(), input.size()};
  }
  [[nodiscard]] const char* data() const { return view_.data(); }
  [[nodiscard]] size_t size() const { return view_.size(); }

 private:
  std::unique_ptr<char[]> block_;
  std::string_view view_;
};

std::string ShowFields(std::span<const Field> fields, const char* data) {
  std::string text = "{";
  for (const Field& field : fields) {
    if (text.size() > 1) text += ';';
    if (field.drop()) text += '-';
    text += Quote(field.Name(data));
    text += '=';
    text += Quote(field.Value(data));
  }
  return text + '}';
}

template <typename Head>
std::string ShowMessage(const Head& head, const char* data) {
  std::string text = head.minor_version == 1 ? "1.1" : "1.0";
  text += head.keep_alive ? " keep" : " close";
  switch (head.body) {
    case BodyKind::kNone:
      text += " none";
      break;
    case BodyKind::kLength:
      text += " length:" + std::to_string(head.content_length);
      break;
    case BodyKind::kChunked:
      text += " chunked";
      break;
    case BodyKind::kUntilClose:
      text += " until-close";
      break;
    case BodyKind::kSwitched:
      text += " tunnel";
      break;
  }
  if (head.facts.te_trailers) text += " te-trailers";
  return text + ' ' + ShowFields(head.fields, data);
}

}  // namespace

std::string Quote(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c >= 0x20 && c < 0x7f) {
      text += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
      text += escaped;
    }
  }
  return text;
}

std::string SummariseError(uint16_t status, Error error) {
  return std::to_string(status) + ' ' + std::string(http1::NameOf(error));
}

std::string Summarise(const http1::RequestHead& head, const char* data) {
  std::string text;
  if (head.start != 0) text += "skip:" + std::to_string(head.start) + ' ';
  text += Quote(head.method.In(data)) + ' ';
  const http1::Target& target = head.target;
  switch (target.form) {
    case http1::TargetForm::kOrigin:
      text += "origin";
      break;
    case http1::TargetForm::kAbsolute:
      text += "absolute";
      break;
    case http1::TargetForm::kAuthority:
      text += "authority";
      break;
    case http1::TargetForm::kAsterisk:
      text += "asterisk";
      break;
  }
  if (target.authority.length != 0) text += " authority=" + Quote(target.authority.In(data));
  text += " path=" + Quote(target.path.In(data));
  if (target.has_query) text += " query=" + Quote(target.query.In(data));
  if (head.upgrade) text += " upgrade";
  if (head.expect_continue) text += " expect";
  return text + ' ' + ShowMessage(head, data);
}

std::string Summarise(const http1::ResponseHead& head, const char* data) {
  std::string text = std::to_string(head.status);
  if (head.interim()) text += " interim";
  return text + " reason=" + Quote(head.reason.In(data)) + ' ' + ShowMessage(head, data);
}

std::string Summarise(const GateResult& result) {
  constexpr const char* kVerdicts[] = {"more", "admit", "refuse", "invalid", "not-http"};
  constexpr const char* kReasons[] = {
      "", " bad_request", " uri_limit", " header_limit", " bad_version", " not_implemented"};
  return std::string(kVerdicts[static_cast<size_t>(result.verdict)]) +
         kReasons[static_cast<size_t>(result.reason)];
}

Cuts EveryByte(size_t length) {
  Cuts cuts;
  for (size_t i = 0; i < length; ++i) cuts.push_back(i);
  return cuts;
}

namespace {

// Feeds a head parser; `describe` is called once it is complete.
template <typename Parser, typename Describe>
std::string RunHead(Parser& parser, std::string_view input, const Cuts& cuts, bool exact, Describe describe) {
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t length = i == cuts.size() ? input.size() : cuts[i];
    const Read read(input.substr(0, length), exact);
    switch (parser.Parse(read.data(), read.size())) {
      case ParseStatus::kNeedMore:
        continue;
      case ParseStatus::kError:
        return describe(nullptr, parser.error());
      case ParseStatus::kComplete: {
        std::string text = describe(read.data(), Error::kNone);
        const size_t rest = input.size() - parser.head().length;
        if (rest != 0) text += " rest:" + std::to_string(rest);
        return text;
      }
    }
  }
  return "more";
}

}  // namespace

std::string RunRequest(std::string_view input, const Cuts& cuts, const HeadLimits& limits, bool exact) {
  std::array<Field, kStorage> storage;
  http1::RequestHeadParser parser(storage, limits);
  return RunHead(parser, input, cuts, exact, [&parser](const char* data, Error error) {
    return data == nullptr ? SummariseError(http1::RequestStatusOf(error), error)
                           : Summarise(parser.head(), data);
  });
}

std::string RunResponse(std::string_view input, const Cuts& cuts, const HeadLimits& limits,
                        const http1::ResponseContext& context, bool exact) {
  std::array<Field, kStorage> storage;
  http1::ResponseHeadParser parser(storage, limits);
  parser.Reset(context);
  return RunHead(parser, input, cuts, exact, [&parser](const char* data, Error error) {
    return data == nullptr ? SummariseError(http1::ResponseStatusOf(error), error)
                           : Summarise(parser.head(), data);
  });
}

std::string RunGate(std::string_view input, const Cuts& cuts, const HeadLimits& limits, bool exact) {
  GateResult result{GateVerdict::kNeedMore, HeadReason::kNone};
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t length = i == cuts.size() ? input.size() : cuts[i];
    const Read read(input.substr(0, length), exact);
    result = GateFirstHead(read.data(), read.size(), limits);
    if (result.verdict != GateVerdict::kNeedMore) break;
  }
  return Summarise(result);
}

std::string RunBody(std::string_view input, const Cuts& cuts, const BodyInput& body, bool exact) {
  std::array<Field, 16> storage;
  http1::BodyDecoder decoder(body.trailers, storage, body.limits);
  decoder.Start(body.kind, body.content_length);
  std::string payload;
  size_t taken = 0;
  const auto error = [&] {
    return SummariseError(http1::RequestStatusOf(decoder.error()), decoder.error()) + " after \"" +
           Quote(payload) + '"';
  };
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t length = i == cuts.size() ? input.size() : cuts[i];
    for (bool more = true; more;) {
      const Read read(input.substr(taken, length - taken), exact);
      const http1::BodyStep step = decoder.Next(read.data(), read.size());
      taken += step.consumed;
      switch (step.event) {
        case BodyEvent::kNeedMore:
          more = false;
          break;
        case BodyEvent::kData:
          payload += step.bytes;
          break;
        case BodyEvent::kError:
          return error();
        case BodyEvent::kDone: {
          std::string text = "done \"" + Quote(payload) + '"';
          if (!decoder.trailers().empty()) text += ' ' + ShowFields(decoder.trailers(), step.bytes.data());
          if (taken != input.size()) text += " rest:" + std::to_string(input.size() - taken);
          return text;
        }
      }
    }
  }
  if (!body.eof) return "more \"" + Quote(payload) + '"';
  return decoder.Finish().event == BodyEvent::kDone ? "done \"" + Quote(payload) + '"' : error();
}

}  // namespace sideroute::test
