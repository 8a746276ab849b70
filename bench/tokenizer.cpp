// Texts of a TSV file to ids, in memory, as a line of JSON: what tokenizing costs and a hash of what it gives, for a peer to be
// compared with.
//
//   bench_tokenizer vocab.txt train.tsv COLUMN [SECONDS]
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/tokenizer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace lathe {
namespace {

std::vector<std::string> column_of(const std::string& file, const std::string& name) {
  std::istringstream in(read_file(file));
  std::string line;
  const auto cells = [&] {
    if (line.ends_with('\r')) line.pop_back();
    std::vector<std::string> out;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) out.push_back(cell);
    return out;
  };
  std::getline(in, line);
  const std::vector<std::string> header = cells();
  const auto at = static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  if (at == header.size()) throw InputError(str(file, ": has no column ", name, "; it has ", join(header, ", ")));
  std::vector<std::string> out;
  while (std::getline(in, line)) {
    const std::vector<std::string> row = cells();
    out.push_back(at < row.size() ? row[at] : "");
  }
  return out;
}

int run(int argc, char** argv) {
  if (argc < 4) throw InputError("usage: bench_tokenizer VOCABULARY FILE.tsv COLUMN [SECONDS]");
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto loading = Clock::now();
  const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(argv[1]);
  const double load = seconds_since(loading);
  const std::vector<std::string> texts = column_of(argv[2], argv[3]);
  const double limit = argc > 4 ? std::atof(argv[4]) : 2;
  double bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<double>(text.size());

  std::vector<std::int32_t> ids;
  std::vector<double> times;
  for (const auto start = Clock::now(); seconds_since(start) < limit || times.size() < 3;) {
    const auto begin = Clock::now();
    ids.clear();
    for (const std::string& text : texts) tokenizer.append(text, ids);
    times.push_back(seconds_since(begin));
  }
  std::sort(times.begin(), times.end());
  std::string all;
  for (const std::int32_t id : ids) all += str(id, " ");
  std::printf(
      "{\"peer\": \"lathe\", \"texts\": %zu, \"bytes\": %.0f, \"tokens\": %zu, \"load_ms\": %.2f, \"mb_per_s\": %.2f, \"ids\": "
      "\"%s\"}\n",
      texts.size(), bytes, ids.size(), load * 1e3, bytes / times[times.size() / 2] * 1e-6, to_hex(sha256(all)).c_str());
  return 0;
}

}  // namespace
}  // namespace lathe

int main(int argc, char** argv) try { return lathe::run(argc, argv); } catch (const std::exception& e) {
  std::fprintf(stderr, "bench_tokenizer: %s\n", e.what());
  return 2;
}
