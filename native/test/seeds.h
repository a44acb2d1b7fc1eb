// Writes the case tables as seed corpora of the fuzz targets.
#ifndef SIDEROUTE_TEST_SEEDS_H_
#define SIDEROUTE_TEST_SEEDS_H_

#include <string>

namespace sideroute::test {

// Writes one folder per target below `directory`, which must exist. Returns false, with a message on stderr,
// if a file cannot be written.
bool WriteSeeds(const std::string& directory);

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_SEEDS_H_
