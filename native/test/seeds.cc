#include "seeds.h"

#include <cstdio>
#include <filesystem>

#include "../fuzz/input.h"
#include "body_cases.h"
#include "gate_cases.h"
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
  return request.ok() && response.ok() && body.ok() && gate.ok();
}

}  // namespace sideroute::test
