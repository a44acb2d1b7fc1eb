#include "messages.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

void Fail(const char* what, int error) {
  if (error == 0)
    std::fprintf(stderr, "load: %s\n", what);
  else
    std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

std::vector<Message> ReadMessages(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) Fail("the file of the messages cannot be opened");
  std::vector<Message> messages;
  unsigned requests = 0;
  size_t length = 0;
  while (std::fscanf(file, "%u %zu", &requests, &length) == 2) {
    Message message{requests, std::string(length, '\0')};
    if (requests == 0 || std::fgetc(file) != '\n' ||
        std::fread(message.bytes.data(), 1, length, file) != length)
      Fail("the file of the messages is cut off");
    messages.push_back(std::move(message));
  }
  std::fclose(file);
  if (messages.empty()) Fail("the file of the messages is empty");
  return messages;
}

}  // namespace bench
