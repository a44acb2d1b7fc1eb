#include "seeds.h"

#include <cstdio>
#include <filesystem>

#include "../fuzz/input.h"
#include "body_cases.h"
#include "gate_cases.h"
#include "http2_frames.h"
#include "request_cases.h"
#include "response_cases.h"

namespace sideroute::test {
namespace {

class Writer {
 public:
  Writer(const std::string& directory, const char* target) : folder_(directory + '/' + target) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
  }

  void Write(const std::string& bytes) {
    char name[32];
    std::snprintf(name, sizeof name, "/case-%03d", ++count_);
    std::FILE* file = std::fopen((folder_ + name).c_str(), "wb");
    if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) ok_ = false;
    if (file != nullptr && std::fclose(file) != 0) ok_ = false;
    if (!ok_) std::fprintf(stderr, "cannot write %s%s\n", folder_.c_str(), name);
  }

  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::string folder_;
  int count_ = 0;
  bool ok_ = true;
};

}  // namespace

bool WriteSeeds(const std::string& directory) {
  Writer request(directory, "request_head");
  for (const RequestCase& row : kRequestCases) request.Write(std::string(row.input));
  Writer response(directory, "response_head");
  for (const ResponseCase& row : kResponseCases)
    response.Write(fuzz::EncodeContext(row.context) + std::string(row.input));
  Writer body(directory, "body");
  for (const BodyCase& row : kBodyCases) {
    body.Write(fuzz::EncodeBody(row.body.kind, row.body.content_length) + std::string(row.input));
  }
  Writer gate(directory, "gate");
  for (const GateCase& row : kGateCases) gate.Write(std::string(row.input));
  Writer http2(directory, "http2");
  // From an application, answered locally or forwarded in either protocol; then from a backend: see
  // http2_fuzz.
  using http2::FrameType;
  for (const char choice : {'\0', '\2', '\6'}) {
    for (const std::string& bytes :
         {Get(1) + Get(3), Post(1) + Data(1, "body", true),
          Post(1) + MakeFrame(FrameType::kRstStream, 0, 1, Number(8)),
          MakeFrame(FrameType::kHeaders, 0, 1) +
              MakeFrame(FrameType::kContinuation, http2::kFlagEndHeaders, 1),
          MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\4\0\0\0\4", 6)) + Get(1),
          MakeFrame(FrameType::kPing, 0, 0, "12345678") +
              MakeFrame(FrameType::kWindowUpdate, 0, 0, Number(9)),
          MakeFrame(FrameType::kGoaway, 0, 0, Number(1) + Number(0)) + Get(1)})
      http2.Write(choice + bytes);
  }
  const auto answer = [](uint32_t stream, bool last) { return Headers(stream, last, {{":status", "200"}}); };
  for (const std::string& bytes :
       {answer(3, true) + answer(1, false) + Data(1, "ok", true),
        Headers(1, false, {{":status", "103"}}) + answer(1, true),
        MakeFrame(FrameType::kRstStream, 0, 1, Number(7)) + answer(5, true),
        MakeFrame(FrameType::kGoaway, 0, 0, Number(1) + Number(0)) + answer(1, true),
        answer(1, false) + Headers(1, true, {{"grpc-status", "0"}})})
    http2.Write('\1' + bytes);
  return request.ok() && response.ok() && body.ok() && gate.ok() && http2.ok();
}

}  // namespace sideroute::test
